"""Caches clip features on the GPU: each is copied once per run.

If they do not fit, the next window is prefetched.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor

Frames = tuple[int, ...]
There = tuple[torch.device, torch.dtype]


class TargetDevice(NamedTuple):
    """Target device and dtype. free_vram: function that returns the bytes of VRAM free for features."""

    device: torch.device
    dtype: torch.dtype
    free_vram: Callable[[], float] = lambda: math.inf

    @property
    def there(self) -> There:
        """Cache key (device, dtype); ComfyUI may sample conditions on several GPUs at the same time."""
        return self.device, self.dtype

    def holds(self, tensor: Tensor) -> bool:
        """Whether a tensor has the target device and dtype."""
        return tensor.device == self.device and tensor.dtype == self.dtype


class FeatureCache:
    """Copies named tensors (F, ...) of a clip to the target device for one run:
    each requested frame once, or window by window.
    """

    def __init__(self, clip: Mapping[str, Tensor]):
        self.clip = clip
        self.release()

    def at(self, frames: Frames, target: TargetDevice) -> dict[str, Tensor]:
        """Return {name: (len(frames), ...)} on the target device; evenly spaced frames are views."""
        if target.there not in self._sources:
            bytes_there = sum(tensor.numel() for tensor in self.clip.values()) * target.dtype.itemsize
            if all(target.holds(tensor) for tensor in self.clip.values()):
                source = _Views(self.clip)
            else:
                source = (_Whole if bytes_there < target.free_vram() else _Ahead)(self.clip, target)
            self._sources[target.there] = source
        return self._sources[target.there].at(frames)

    def release(self) -> None:
        """Free the copies of the run."""
        self._sources: dict[There, _Views | _Ahead] = {}


class _Views:
    """Selects frames of tensors that are on the target device."""

    def __init__(self, clip: Mapping[str, Tensor]):
        self.clip = clip
        self.indices: dict[Frames, slice | Tensor] = {}

    def at(self, frames: Frames) -> dict[str, Tensor]:
        if frames not in self.indices:
            even = evenly(frames)
            device = next(iter(self.clip.values())).device
            self.indices[frames] = torch.tensor(frames, device=device) if even is None else even
        return {name: tensor[self.indices[frames]] for name, tensor in self.clip.items()}


class _Whole(_Views):
    """Keeps the whole clip on the target device; each frame is copied when it is first requested."""

    def __init__(self, clip: Mapping[str, Tensor], target: TargetDevice):
        super().__init__({name: torch.empty_like(tensor, **_there(target)) for name, tensor in clip.items()})
        self.origin, self.filled = clip, set()

    def at(self, frames: Frames) -> dict[str, Tensor]:
        if missing := sorted(set(frames) - self.filled):
            for run in consecutive(missing):
                for name, tensor in self.origin.items():
                    self.clip[name][run].copy_(tensor[run])
            self.filled.update(missing)
        return super().at(frames)


class _Ahead:
    """Keeps one window on the device and prefetches the next one.

    Windows come in the same order in every step, so from the second step on the next window is known.
    """

    def __init__(self, clip: Mapping[str, Tensor], target: TargetDevice):
        self.views, self.target = _Views(clip), target
        self.stream = torch.cuda.Stream(target.device) if target.device.type == "cuda" else None
        self.followers: dict[Frames, Frames] = {}
        self.coming: dict[Frames, dict[str, Tensor]] = {}
        self.now: tuple[Frames, dict[str, Tensor]] | None = None

    def at(self, frames: Frames) -> dict[str, Tensor]:
        if self.now is None or self.now[0] != frames:
            if self.now:
                self.followers[self.now[0]] = frames
            self.now = frames, self._arrived(self.coming.pop(frames, None) or self._sent(frames))
            self.coming = {}
            follower = self.followers.get(frames)
            if follower is not None:
                self.coming[follower] = self._sent(follower)
        return self.now[1]

    def _sent(self, frames: Frames) -> dict[str, Tensor]:
        """Start copying a window to the device, on a separate stream."""
        window = self.views.at(frames)
        if self.stream is None:
            return {name: tensor.to(**_there(self.target)) for name, tensor in window.items()}
        with torch.cuda.stream(self.stream):
            return {
                name: tensor.pin_memory().to(**_there(self.target), non_blocking=True)
                for name, tensor in window.items()
            }

    def _arrived(self, window: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the window after the current stream has been made to wait for its copy."""
        if self.stream is not None:
            current = torch.cuda.current_stream(self.target.device)
            current.wait_stream(self.stream)
            for tensor in window.values():
                tensor.record_stream(current)
        return window


def _there(target: TargetDevice) -> dict:
    return {"device": target.device, "dtype": target.dtype}


def evenly(frames: Frames) -> slice | None:
    """Return the slice of evenly spaced, increasing frames; None if they are not evenly spaced."""
    first, last = frames[0], frames[-1]
    step = frames[1] - first if len(frames) > 1 else 1
    if step < 1 or any(b - a != step for a, b in zip(frames, frames[1:])):
        return None
    return slice(first, last + 1, step)


def consecutive(frames: list[int]) -> list[slice]:
    """Return increasing frames as slices of consecutive frames."""
    starts = [f for i, f in enumerate(frames) if i == 0 or frames[i - 1] != f - 1]
    stops = [f + 1 for i, f in enumerate(frames) if i + 1 == len(frames) or frames[i + 1] != f + 1]
    return [slice(a, b) for a, b in zip(starts, stops, strict=True)]
