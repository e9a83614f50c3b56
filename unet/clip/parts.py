"""Parts of a clip that are sampled separately, and then joined."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ...errors import FrameCountError, SettingError, ShapeError
from ..feature_cache import consecutive
from .windows import blend

MARGIN = 16  # default number of frames on each side over which neighbouring parts are cross-faded


@dataclass(frozen=True)
class Part:
    """A part of a clip of `clip` frames.

    keeps: the frames of the result that it provides; frames: the same with a margin on both sides.
    """

    frames: range
    keeps: range
    clip: int

    @classmethod
    def of(cls, clip: int, first: int, count: int, margin: int) -> Part:
        """Return the part that keeps frames first..first+count-1, clipped to the clip.

        Raises SettingError if the range holds no frame of the clip.
        """
        if not 0 <= first < clip or count < 1 or margin < 0:
            raise SettingError(
                f"The clip has frames 0 to {clip - 1}: no part of {count} begins at frame {first} with a margin of {margin}.",
                "first_frame",
                first,
            )
        last = min(first + count, clip)
        return cls(range(max(first - margin, 0), min(last + margin, clip)), range(first, last), clip)


Seam = tuple[int, float] | None


@dataclass(frozen=True)
class Joined:
    """The result of joining parts.

    latents: (clip, 4, h, w), zero in frames that no part covers
    missing: ranges of frames that no part keeps
    seam:    (frame, difference) of the shared frame in which two parts differ most: root mean square
      difference, in standard deviations of the latents; None if no frame is shared
    """

    latents: Tensor
    missing: tuple[range, ...]
    seam: Seam


def join(parts: Sequence[tuple[Part, Tensor]]) -> Joined:
    """Join parts with their latents (len(part.frames), 4, h, w), cross-faded over the frames that they share.

    The result is bit-identical for any order of the parts. Raises ShapeError for parts of different clips or
    sizes, FrameCountError for a latent that has not as many frames as its part.
    """
    parts = sorted(parts, key=lambda one: (one[0].keeps.start, one[0].keeps.stop))
    (first, like), *_ = parts
    for part, latents in parts:
        if part.clip != first.clip or latents.shape[1:] != like.shape[1:]:
            raise ShapeError(
                f"Parts of {first.clip} frames {tuple(like.shape[1:])} and of {part.clip} frames {tuple(latents.shape[1:])}: "
                "they are of different clips.",
                tuple(latents.shape),
            )
        if len(latents) != len(part.frames):
            raise FrameCountError(
                "part",
                len(part.frames),
                "latent",
                len(latents),
                "connect the latent that was sampled with this part.",
            )
    whole, weight = torch.zeros(first.clip, *like.shape[1:]), torch.zeros(first.clip, 1, 1, 1)
    scale, seam = max(float(like.std()), 1e-12), None
    covered: set[int] = set()
    for part, latents in parts:
        for frame in covered & set(part.frames):
            difference = (
                float((whole[frame] - latents[frame - part.frames.start].cpu()).square().mean().sqrt())
                / scale
            )
            seam = max(seam or (frame, 0.0), (frame, difference), key=lambda one: one[1])
        blend([whole], weight, slice(part.frames.start, part.frames.stop), _shares(part), [latents])
        covered |= set(part.frames)
    kept = {frame for part, _ in parts for frame in part.keeps}
    return Joined(
        whole,
        tuple(
            range(run.start, run.stop) for run in consecutive([f for f in range(first.clip) if f not in kept])
        ),
        seam,
    )


def _shares(part: Part) -> list[float]:
    """Blending weight of each frame of a part: 1 in the frames that it keeps, falling linearly towards the
    outer ends of its margins.
    """
    before, after = part.keeps.start - part.frames.start, part.frames.stop - part.keeps.stop
    rising = [(i + 1) / (before + 1) for i in range(before)]
    return rising + [1.0] * len(part.keeps) + [(after - i) / (after + 1) for i in range(after)]
