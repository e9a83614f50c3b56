"""Frame and side (cond or uncond) of each item of a UNet batch, as read by every patch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from ...errors import FrameCountError, SKPortraitError
from .fit import CELL, View
from .run import Run, run_of

COND, UNCOND = 0, 1  # numbers in ComfyUI's `cond_or_uncond`; also the order of stored features
# Names of the conditionings in ComfyUI's guiders: CFG Guider, Dual CFG Guider (its
# second prompt counts as cond), Perp-Neg Guider (guidance starts from the empty prompt;
# the negative one is a direction away from it).
SIDES = {"positive": COND, "middle": COND, "negative": UNCOND, "empty_negative_prompt": UNCOND}


@dataclass(eq=False)
class CallError(SKPortraitError, ValueError):
    """A UNet call does not match the state that ComfyUI published for it.

    batch: number of items; parts: number of equal parts that the batch should hold.
    """

    batch: int
    parts: int


@dataclass(eq=False)
class ViewError(SKPortraitError, ValueError):
    """A UNet call shows an unknown part of the picture. shown, expected: (height, width) in latent pixels."""

    shown: tuple[int, int]
    expected: tuple[int, int]


@dataclass(eq=False)
class GuiderError(SKPortraitError, ValueError):
    """A sampled condition cannot be identified as cond or uncond.

    prompt: its name in the guider; empty if unknown.
    """

    prompt: str = ""


class Rows(NamedTuple):
    """Item k of the batch is frame `frames[k]` of the clip on side `sides[k]` (COND or UNCOND).

    chunk: neighbouring items that belong to one side and one window
    clip:  length of the whole clip; None if an old version does not publish it
    views: part of the picture that each chunk shows; None outside a sampling run
    """

    sides: tuple[int, ...]
    frames: tuple[int, ...]
    clip: int | None
    chunk: int
    views: tuple[View, ...] | None = None

    @property
    def chunks(self) -> tuple[int, ...]:
        """COND or UNCOND of each chunk."""
        return self.sides[:: self.chunk]

    @property
    def window(self) -> tuple[int, ...]:
        """The absolute frames of a chunk; all chunks show the same frames."""
        return self.frames[: self.chunk]

    def require_clip(self, length: int, what: str) -> None:
        """Raise FrameCountError unless `what`, which has `length`
        frames, is as long as the clip that is sampled.
        """
        needed = self.clip or max(length, max(self.frames) + 1)
        if length != needed:
            raise FrameCountError(
                what,
                length,
                "latent batch",
                needed,
                "make them equal (Portrait Latents repeats a latent to the drive's length; Retime Track trims a track).",
            )


def rows_of(options: Mapping[str, Any], batch: int, shown: tuple[int, int] | None = None) -> Rows:
    """Rows of a UNet call with `batch` items, from its transformer_options.

    shown: (height, width) of its latent, if known.

    The batch holds one chunk of N frames per condition. Absolute frames come from a context window of
    ComfyUI, of our samplers or of AnimateDiff-Evolved; without one they are 0..N-1.
    """
    sides = _sides(options)
    if batch % len(sides):
        raise CallError(
            f"A batch of {batch} rows cannot hold {len(sides)} equal parts (cond/uncond).", batch, len(sides)
        )
    chunk = batch // len(sides)
    frames, clip = window_of(options, chunk)
    return Rows(
        tuple(b for b in sides for _ in range(chunk)),
        frames * len(sides),
        clip,
        chunk,
        _views(options, shown),
    )


def window_of(options: Mapping[str, Any], chunk: int) -> tuple[tuple[int, ...], int | None]:
    """Return (absolute frames of a chunk, length of the clip, None if unknown).

    Raises FrameCountError if the context window has not `chunk` frames.
    """
    frames, clip = tuple(range(chunk)), chunk
    if (window := options.get("context_window")) is not None:
        anchor = getattr(window, "causal_anchor_index", None)  # ComfyUI prepends this frame to the window
        frames = tuple(window.index_list) if anchor is None or anchor < 0 else (anchor, *window.index_list)
        clip = getattr(window, "total_frames", None) or None  # 0.3.64 does not publish the clip's length
    elif (evolved := options.get("ad_params") or {}).get("sub_idxs"):
        frames, clip = tuple(evolved["sub_idxs"]), evolved["full_length"]
    if len(frames) != chunk:
        raise FrameCountError(
            "context window",
            len(frames),
            "UNet call",
            chunk,
            "another node changes the batch; remove or bypass it.",
        )
    return frames, clip


def _sides(options: Mapping[str, Any]) -> tuple[int, ...]:
    """COND or UNCOND of each chunk.

    Inside a run the UUIDs of the conditions decide, because `cond_or_uncond`
    is 0 for every condition that is sampled alone.
    """
    run = run_of(options)
    if run is not None:
        if not (ids := options.get("uuids")):
            raise GuiderError(
                "Another node calls the UNet without `uuids`, so cond and uncond are unknown. Remove or bypass that node."
            )
        return tuple(_side(run, one) for one in ids)
    numbers = options.get("cond_or_uncond") or (COND,)
    if unknown := set(numbers) - {COND, UNCOND}:
        raise GuiderError(
            f"This call holds {max(unknown) + 1} conditions; outside of a sampling run only cond and uncond are known."
        )
    return tuple(numbers)


def _views(options: Mapping[str, Any], shown: tuple[int, int] | None) -> tuple[View, ...] | None:
    run = run_of(options)
    if run is None:
        return None
    views = tuple(View(run.size, run.conditions[one].area) for one in options["uuids"])
    (height, width), (whole_height, whole_width) = views[0].shown, run.size
    if shown not in (None, (height, width)):
        raise ViewError(
            f"A node gives the UNet {shown[1] * CELL}x{shown[0] * CELL} px tiles of {width * CELL}x{height * CELL} px (the picture "
            f"has {whole_width * CELL}x{whole_height * CELL} px), without their position. Sample the whole picture, or parts of it with "
            "Conditioning (Set Area).",
            shown,
            (height, width),
        )
    return views


def _side(run: Run, one: Any) -> int:
    if one not in run.conditions:
        raise GuiderError(
            "A node samples a prompt that its guider does not know (the deprecated Perp-Neg node does), so cond and uncond are unclear. "
            "Use a guider that takes that prompt, such as Perp-Neg Guider."
        )
    name = run.conditions[one].name
    if name not in SIDES:
        raise GuiderError(
            f'This guider samples a prompt called "{name}"; SK Portrait knows {", ".join(SIDES)}.',
            name,
        )
    return SIDES[name]
