"""Which row of a UNet batch is which frame and which half of classifier-free guidance. Every patch asks here and nowhere else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

COND, UNCOND = 0, 1  # as the host numbers them in `cond_or_uncond`; also the order of the branches in stored features

class FrameCountError(ValueError):
    """The clip is shorter or longer than the batch that is sampled."""


class GuiderError(ValueError):
    """The sampler's conditions are not one positive and one negative."""


class Rows(NamedTuple):
    """Row k of the batch is frame `frames[k]` of the clip, in branch `branches[k]`; each branch's rows are `chunk` neighbours.
    `clip` is the whole clip's length, None where a window of an old host does not tell it; `chunk` rows in a row belong to one
    branch and one window."""

    branches: tuple[int, ...]
    frames: tuple[int, ...]
    clip: int | None
    chunk: int
    chunk: int

    def by_branch(self) -> dict[int, tuple[int, ...]]:
        """Branch -> the rows of the batch that belong to it."""
        return {b: tuple(row for row, branch in enumerate(self.branches) if branch == b) for b in sorted(set(self.branches))}

    def require_clip(self, length: int, what: str) -> None:
        """Raise FrameCountError unless `what`, which has `length` frames, is as long as the clip that is sampled."""
        needed = self.clip or max(length, max(self.frames) + 1)
        if length != needed:
            raise FrameCountError(
                f"The {what} has {length} frames and the latent batch has {needed}: "
                "make them equal (Shared Noise repeats a latent to the drive's length; Edit Track trims a track)."
            )


def rows_of(options: Mapping[str, Any], batch: int) -> Rows:
    """Rows of a UNet call with `batch` rows, from the host's transformer_options.

    The batch holds one chunk of N frames per entry of `cond_or_uncond`. Their absolute frames come from a context window (of the
    host, or of our samplers) or from AnimateDiff-Evolved's, and are 0..N-1 without any of them.
    """
    branches = options.get("cond_or_uncond") or (COND,)
    if unknown := set(branches) - {COND, UNCOND}:
        raise GuiderError(
            f"This guider samples {max(unknown) + 1} conditions together; HelloMeme knows one positive and one negative "
            "(CFG Guider, KSampler)."
        )
    if batch % len(branches):
        raise FrameCountError(f"A batch of {batch} rows cannot hold {len(branches)} equal parts (cond/uncond).")
    chunk = batch // len(branches)
    frames, clip = _window(options, chunk)
    if len(frames) != chunk:
        raise FrameCountError(f"The sampler announced a window of {len(frames)} frames and sent {chunk}.")
    return Rows(tuple(b for b in branches for _ in range(chunk)), tuple(frames) * len(branches), clip, chunk)


def _window(options: Mapping[str, Any], chunk: int) -> tuple[tuple[int, ...], int | None]:
    """(absolute frames, length of the clip where it is known) of one chunk."""
    if (window := options.get("context_window")) is not None:
        anchor = getattr(window, "causal_anchor_index", None)  # the host prepends this frame to the window
        frames = tuple(window.index_list) if anchor is None or anchor < 0 else (anchor, *window.index_list)
        return frames, getattr(window, "total_frames", None) or None  # 0.3.64 does not tell the clip's length
    evolved = options.get("ad_params") or {}
    if evolved.get("sub_idxs"):
        return tuple(evolved["sub_idxs"]), evolved["full_length"]
    return tuple(range(chunk)), chunk
