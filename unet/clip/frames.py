"""Which row of a UNet batch is which frame and which half of classifier-free guidance. Every patch asks here and nowhere else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from .fit import CELL, View
from .run import Run, run_of

COND, UNCOND = 0, 1  # as the host numbers them in `cond_or_uncond`; also the order of the branches in stored features
# By what the host's guiders call their conditionings: CFG Guider, Dual CFG Guider (its second prompt is a picture's too), Perp-Neg
# Guider (guidance starts from the empty prompt, the negative one is a direction away from it).
BRANCHES = {"positive": COND, "middle": COND, "negative": UNCOND, "empty_negative_prompt": UNCOND}

class FrameCountError(ValueError):
    """The clip is shorter or longer than the batch that is sampled."""


class ViewError(ValueError):
    """A UNet call shows a part of the picture, and nothing says which."""


class GuiderError(ValueError):
    """A condition that is sampled is neither known to be on the positive nor on the negative side."""


class Rows(NamedTuple):
    """Row k of the batch is frame `frames[k]` of the clip, in branch `branches[k]`; each branch's rows are `chunk` neighbours.
    `clip` is the whole clip's length, None where a window of an old host does not tell it; `chunk` rows in a row belong to one
    branch and one window. `views` says what each chunk shows of the picture, None outside of a sampling run."""

    branches: tuple[int, ...]
    frames: tuple[int, ...]
    clip: int | None
    chunk: int
    views: tuple[View, ...] | None = None

    @property
    def chunks(self) -> tuple[int, ...]:
        """The branch of each chunk."""
        return self.branches[:: self.chunk]

    @property
    def window(self) -> tuple[int, ...]:
        """The absolute frames of every chunk."""
        return self.frames[: self.chunk]

    def require_clip(self, length: int, what: str) -> None:
        """Raise FrameCountError unless `what`, which has `length` frames, is as long as the clip that is sampled."""
        needed = self.clip or max(length, max(self.frames) + 1)
        if length != needed:
            raise FrameCountError(
                f"The {what} has {length} frames and the latent batch has {needed}: "
                "make them equal (Shared Noise repeats a latent to the drive's length; Retime Track trims a track)."
            )


def rows_of(options: Mapping[str, Any], batch: int, shown: tuple[int, int] | None = None) -> Rows:
    """Rows of a UNet call with `batch` rows, from the host's transformer_options. shown: (height, width) of its latent, where known.

    The batch holds one chunk of N frames for each condition. Their absolute frames come from a context window (of the host, or of our
    samplers) or from AnimateDiff-Evolved's, and are 0..N-1 without any of them.
    """
    branches = _branches(options)
    if batch % len(branches):
        raise FrameCountError(f"A batch of {batch} rows cannot hold {len(branches)} equal parts (cond/uncond).")
    chunk = batch // len(branches)
    frames, clip = window_of(options, chunk)
    return Rows(tuple(b for b in branches for _ in range(chunk)), frames * len(branches), clip, chunk, _views(options, shown))


def window_of(options: Mapping[str, Any], chunk: int) -> tuple[tuple[int, ...], int | None]:
    """(absolute frames of a chunk, length of the clip where it is known). Raises FrameCountError for a window of another size."""
    frames, clip = tuple(range(chunk)), chunk
    if (window := options.get("context_window")) is not None:
        anchor = getattr(window, "causal_anchor_index", None)  # the host prepends this frame to the window
        frames = tuple(window.index_list) if anchor is None or anchor < 0 else (anchor, *window.index_list)
        clip = getattr(window, "total_frames", None) or None  # 0.3.64 does not tell the clip's length
    elif (evolved := options.get("ad_params") or {}).get("sub_idxs"):
        frames, clip = tuple(evolved["sub_idxs"]), evolved["full_length"]
    if len(frames) != chunk:
        raise FrameCountError(f"The sampler announced a window of {len(frames)} frames and sent {chunk}.")
    return frames, clip


def _branches(options: Mapping[str, Any]) -> tuple[int, ...]:
    """The branch of each chunk. `cond_or_uncond` numbers the conditions of one call of the host's sampling function, so that it says 0
    for whatever is sampled alone: inside a run the ids of the conditions tell."""
    run = run_of(options)
    if run is not None:
        if not (ids := options.get("uuids")):
            raise GuiderError("A node calls the UNet without saying for which prompt, so SK Portrait cannot act: take that node out.")
        return tuple(_branch(run, one) for one in ids)
    numbers = options.get("cond_or_uncond") or (COND,)
    if unknown := set(numbers) - {COND, UNCOND}:
        raise GuiderError(f"This call holds {max(unknown) + 1} conditions; outside of a sampling run only cond and uncond are known.")
    return tuple(numbers)


def _views(options: Mapping[str, Any], shown: tuple[int, int] | None) -> tuple[View, ...] | None:
    run = run_of(options)
    if run is None:
        return None
    views = tuple(View(run.size, run.conditions[one].area) for one in options["uuids"])
    (height, width), (whole_height, whole_width) = views[0].shown, run.size
    if shown not in (None, (height, width)):
        raise ViewError(
            f"A node shows the UNet {shown[1] * CELL}x{shown[0] * CELL} px where {width * CELL}x{height * CELL} px of a "
            f"{whole_width * CELL}x{whole_height * CELL} px picture are sampled, and does not say which part (tiled sampling): reference "
            "and drive cannot follow. Sample the picture whole, or in parts with Conditioning (Set Area)."
        )
    return views


def _branch(run: Run, one: Any) -> int:
    if one not in run.conditions:
        raise GuiderError(
            "A node samples a prompt that its guider does not know (the deprecated Perp-Neg node does), so SK Portrait cannot tell the "
            "positive side from the negative one: use a guider that takes that prompt, such as Perp-Neg Guider."
        )
    name = run.conditions[one].name
    if name not in BRANCHES:
        raise GuiderError(f'This guider samples a prompt called "{name}"; SK Portrait knows {", ".join(BRANCHES)}.')
    return BRANCHES[name]
