"""Features of a clip where the UNet computes. What crosses the bus is counted in gigabytes a clip, so that each byte crosses once a
run; where the clip does not fit beside the UNet, the next window crosses while this one is computed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor

Frames = tuple[int, ...]
There = tuple[torch.device, torch.dtype]


class Placement(NamedTuple):
    """Where and in which dtype the UNet computes; `room()` bytes can be kept there beside it."""

    device: torch.device
    dtype: torch.dtype
    room: Callable[[], float] = lambda: math.inf

    @property
    def there(self) -> There:
        """By what tensors are kept in a run: the host may let several GPUs sample its conditions at the same time."""
        return self.device, self.dtype

    def holds(self, tensor: Tensor) -> bool:
        """Whether a tensor is there already."""
        return tensor.device == self.device and tensor.dtype == self.dtype


class Resident:
    """Tensors of a clip (F, ...) by name, brought where the UNet computes for one run: all frames that it asks for where they fit, else
    window by window."""

    def __init__(self, clip: Mapping[str, Tensor]):
        self.clip = clip
        self.release()

    def at(self, frames: Frames, placement: Placement) -> dict[str, Tensor]:
        """Name -> (len(frames), ...) of these frames; evenly spaced ones are views."""
        if placement.there not in self._sources:
            bytes_there = sum(tensor.numel() for tensor in self.clip.values()) * placement.dtype.itemsize
            if all(placement.holds(tensor) for tensor in self.clip.values()):
                source = _Views(self.clip)
            else:
                source = (_Whole if bytes_there < placement.room() else _Ahead)(self.clip, placement)
            self._sources[placement.there] = source
        return self._sources[placement.there].at(frames)

    def release(self) -> None:
        """End of a run: nothing stays there."""
        self._sources: dict[There, _Views | _Ahead] = {}


class _Views:
    """Frames of tensors that are there."""

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
    """Room for the whole clip, filled with the frames that are asked for."""

    def __init__(self, clip: Mapping[str, Tensor], placement: Placement):
        super().__init__({name: torch.empty_like(tensor, **_there(placement)) for name, tensor in clip.items()})
        self.origin, self.filled = clip, set()

    def at(self, frames: Frames) -> dict[str, Tensor]:
        if missing := sorted(set(frames) - self.filled):
            for run in consecutive(missing):
                for name, tensor in self.origin.items():
                    self.clip[name][run].copy_(tensor[run])
            self.filled.update(missing)
        return super().at(frames)


class _Ahead:
    """One window there and the next one on its way. The windows of a step come in the order of the step before, so that each knows
    who followed it."""

    def __init__(self, clip: Mapping[str, Tensor], placement: Placement):
        self.views, self.placement = _Views(clip), placement
        self.stream = torch.cuda.Stream(placement.device) if placement.device.type == "cuda" else None
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
        """Copies of a window, on their way on a stream of their own."""
        window = self.views.at(frames)
        if self.stream is None:
            return {name: tensor.to(**_there(self.placement)) for name, tensor in window.items()}
        with torch.cuda.stream(self.stream):
            return {name: tensor.pin_memory().to(**_there(self.placement), non_blocking=True) for name, tensor in window.items()}

    def _arrived(self, window: dict[str, Tensor]) -> dict[str, Tensor]:
        """The same, once the UNet's stream may read them."""
        if self.stream is not None:
            current = torch.cuda.current_stream(self.placement.device)
            current.wait_stream(self.stream)
            for tensor in window.values():
                tensor.record_stream(current)
        return window


def _there(placement: Placement) -> dict:
    return {"device": placement.device, "dtype": placement.dtype}


def evenly(frames: Frames) -> slice | None:
    """The slice of evenly spaced rising frames, None of others."""
    step = frames[1] - frames[0] if len(frames) > 1 else 1
    if step < 1 or any(b - a != step for a, b in zip(frames, frames[1:])):
        return None
    return slice(frames[0], frames[-1] + 1, step)


def consecutive(frames: list[int]) -> list[slice]:
    """Rising frames as runs without a gap."""
    starts = [f for i, f in enumerate(frames) if i == 0 or frames[i - 1] != f - 1]
    stops = [f + 1 for i, f in enumerate(frames) if i + 1 == len(frames) or frames[i + 1] != f + 1]
    return [slice(a, b) for a, b in zip(starts, stops, strict=True)]
