"""A clip in parts that are sampled on their own, and put together again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ...errors import FrameCountError, SettingError, ShapeError
from ..feature_cache import consecutive
from .windows import blend

MARGIN = 16  # frames on both sides over which parts fade into each other, where nobody says otherwise


@dataclass(frozen=True)
class Part:
    """A stretch of a clip of `clip` frames: `keeps` are those that it is for, `frames` those and a margin on both sides."""

    frames: range
    keeps: range
    clip: int

    @classmethod
    def of(cls, clip: int, first: int, count: int, margin: int) -> Part:
        """Frames first..first+count-1, as far as the clip goes. Raises SettingError for a stretch without a frame of the clip."""
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
    """Parts put together.

    latents: (clip, 4, h, w), zeros where no part is
    missing: stretches of the clip that no part is for
    seam:    (frame, difference) where parts differ most in a frame that they share: the square mean of their difference, in standard
             deviations of the latents; None where they share none
    """

    latents: Tensor
    missing: tuple[range, ...]
    seam: Seam


def join(parts: Sequence[tuple[Part, Tensor]]) -> Joined:
    """Parts with their latents (len(part.frames), 4, h, w), faded into each other over the frames that they share.

    The order in which the parts are given does not matter, to the last bit.
    Raises ShapeError for parts of different clips or sizes, FrameCountError for the latent of another part.
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
                "part", len(part.frames), "latent", len(latents), "the latent was sampled with another part."
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
    """1 in the frames that a part is for, and less and less towards the outer end of its margins."""
    before, after = part.keeps.start - part.frames.start, part.frames.stop - part.keeps.stop
    rising = [(i + 1) / (before + 1) for i in range(before)]
    return rising + [1.0] * len(part.keeps) + [(after - i) / (after + 1) for i in range(after)]
