"""The extra batch items of RA-SA and IBA: the reference after the frames of each
chunk, and the preview as a chunk of its own.

    [frames, reference] of uncond, [frames, reference] of cond, [preview, its reference]

All chunks have one size. The preview is published as one more condition, so that other packs
compute the right chunk size. Imports nothing from ComfyUI: executors are arguments. Axis
letters: F frames of a chunk, h w latent pixels.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from ...errors import SizeError
from ...unet.clip.frames import COND, Rows, rows_of
from ...unet.clip.run import acts_in, run_of
from ...unet.hosts import extra_items
from ...unet.hosts.extra_items import ExtraItems
from .attention import KEY, Reading
from .trajectory import ScheduleError, Trajectory

# Noise level of the preview in a step, see `Preview`.
HERE, AHEAD, STORED = (
    "this step",
    "one step ahead",
    "the inversion",
)
# Sides of guidance that use the preview's maps.
BOTH, TEXT_IN_COND, COND_ONLY = (
    "both halves",
    "text in the positive half only",
    "positive half only",
)


class Maps(NamedTuple):
    """Chunks that use the preview's attention maps: of self-attention (own) and of text attention."""

    own: tuple[int, ...]
    text: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Preview:
    """A preview: an inverted clip that provides attention maps.

    self_until, cross_until: fraction of the steps, from the first on, that use the maps of self-attention and
      text attention
    halves:                  sides of guidance that use the maps
    stands:                  noise level of the preview. HERE: that of the step. AHEAD: one level lower, with
      the timestep of the step (FateZero's order). STORED: one level lower, with that level's timestep, as in
      the inversion
    """

    trajectory: Trajectory
    self_until: float = 0.8
    cross_until: float = 0.8
    halves: str = TEXT_IN_COND
    stands: str = HERE

    def maps(self, rows: Rows, sigma: float) -> Maps | None:
        """Return the chunks of a call that use the maps at this noise level; None if no chunk does."""
        trajectory = self.trajectory
        step = trajectory.steps - trajectory.level(sigma)
        conds = tuple(chunk for chunk, side in enumerate(rows.sides[:: rows.chunk]) if side == COND)
        every = tuple(range(len(rows.frames) // rows.chunk))
        own = conds if self.halves == COND_ONLY else every
        text = every if self.halves == BOTH else conds
        maps = Maps(
            own if step < round(self.self_until * trajectory.steps) else (),
            text if step < round(self.cross_until * trajectory.steps) else (),
        )
        return maps if any(maps) else None

    def items(self, rows: Rows, sigma: float, timesteps: Tensor, tokens: int, anchored: bool) -> list[_Item]:
        """Return the frames of the preview, then its reference.

        tokens: text tokens of the call. Raises FrameCountError for a clip of another length, ScheduleError
        for an incompatible text length.
        """
        trajectory = self.trajectory
        rows.require_clip(trajectory.frames, "inverted clip")
        level = trajectory.level(sigma) - (self.stands != HERE)
        timestep = timesteps[:1] if self.stands != STORED else torch.tensor([trajectory.timesteps[level]])
        text = _of_length(trajectory.context, tokens)
        latents = trajectory.at(level, list(rows.frames[: rows.chunk]))
        return [
            _Item(latent[None], timestep, text)
            for latent in [*latents, *(trajectory.anchor_at(level) if anchored else ())]
        ]


@dataclass(frozen=True, eq=False)
class AnchorItems:
    """DIFFUSION_MODEL wrapper that adds the items to a UNet call.

    reference: noise level -> (1, 4, h, w) in the UNet's own scale, None = no anchor
    preview:   None = RA-SA alone
    percent_range: (start, end) as 0..1, None = always
    """

    reference: Callable[[float], Tensor] | None
    preview: Preview | None = None
    percent_range: tuple[float, float] | None = None

    def __deepcopy__(self, memo) -> AnchorItems:
        return self  # old versions of ComfyUI deep-copy model_options at every clone

    def seen(self, frames: int) -> int:
        """Number of items of a chunk with `frames` frames, for the memory estimate.

        A preview is a third chunk beside cond and uncond, so half of it is counted per chunk.
        """
        rows = frames + (self.reference is not None)
        return math.ceil(1.5 * rows) if self.preview else rows

    def __call__(
        self,
        executor: Callable,
        x: Tensor,
        timesteps: Tensor,
        context: Tensor,
        y,
        control,
        options: Mapping,
        **others,
    ) -> Tensor:
        sigma = float(options["sigmas"].max())
        rows = rows_of(options, len(x))
        preview = self.preview
        maps = preview.maps(rows, sigma) if preview else None
        if not acts_in(self.percent_range, run_of(options), sigma) or not (self.reference or maps):
            return executor(x, timesteps, context, y, control, options, **others)
        if preview and maps and not maps.text:
            context = _repeated(context, preview.trajectory.context.shape[1])
        anchors, shown = self._anchors(rows.chunk, sigma, timesteps, context), []
        if preview and maps:
            shown = preview.items(rows, sigma, timesteps, context.shape[1], bool(anchors))
        per_chunk = _items_per_chunk(len(x) // rows.chunk, bool(anchors), len(shown))
        latents, times, texts = zip(*(item.like(x, timesteps, context) for item in [*anchors, *shown]))
        items = ExtraItems(per_chunk, torch.cat(latents), torch.cat(times), torch.cat(texts))
        reading = _reading(rows, bool(anchors), maps, x.device)
        conditions = [*(options.get("cond_or_uncond") or (COND,)), *([COND] if maps else [])]
        published = {**options, "cond_or_uncond": conditions, KEY: reading}
        return extra_items.run(executor, items, x, timesteps, context, y, control, published, **others)

    def _anchors(self, chunk: int, sigma: float, timesteps: Tensor, context: Tensor) -> list[_Item]:
        """One anchor per chunk, with the timestep and text of the
        chunk's first frame; empty without a reference.
        """
        if self.reference is None:
            return []
        starts = range(0, len(timesteps), chunk)
        return [_Item(self.reference(sigma), timesteps[k : k + 1], context[k : k + 1]) for k in starts]


def _items_per_chunk(chunks: int, anchored: bool, preview: int) -> tuple[int, ...]:
    """Number of extra items of each chunk: its anchor, and in the last chunk also the preview."""
    return (*[int(anchored)] * (chunks - 1), int(anchored) + preview)


class _Item(NamedTuple):
    """One extra item: latent (1, 4, h, w), timestep (1,), text (1, t, D)."""

    latent: Tensor
    timestep: Tensor
    context: Tensor

    def like(self, x: Tensor, timesteps: Tensor, context: Tensor) -> _Item:
        """Return the item in the device and dtype of a batch. Raises SizeError if its size differs."""
        if self.latent.shape[1:] != x.shape[1:]:
            (height, width), (own_height, own_width) = (
                (8 * side for side in one.shape[-2:]) for one in (x, self.latent)
            )
            raise SizeError(
                f"The reference or the inverted clip is {own_width}x{own_height} px and {width}x{height} px are sampled: "
                "encode it at the same size.",
                (own_width, own_height),
                (width, height),
            )
        return _Item(self.latent.to(x), self.timestep.to(timesteps), self.context.to(context))


def _reading(rows: Rows, anchored: bool, maps: Maps | None, device: torch.device) -> Reading:
    """Return the item indices for the batch layout described in the module docstring."""
    frames, chunks = rows.chunk, len(rows.frames) // rows.chunk
    size = frames + anchored
    own = torch.arange((chunks + (maps is not None)) * size).view(-1, size)
    anchors = own[:, -1:].expand_as(own).flatten().to(device) if anchored else None
    taken = []
    for takers in (maps.own if maps else (), maps.text if maps else ()):
        table = own.clone()
        for chunk in takers:
            table[chunk, :frames] = own[-1, :frames]
        taken.append(table.flatten().to(device))
    return Reading(anchors, *taken)


def _of_length(text: Tensor, tokens: int) -> Tensor:
    """Repeat the text (1, t, D) to `tokens` tokens. Raises ScheduleError if that is no multiple of t."""
    if tokens % text.shape[1]:
        raise ScheduleError(
            f"The prompt of Clip to Noise has {text.shape[1]} tokens and that of the sampler {tokens}: "
            "make them equally long, or set cross_until of Redraw Clip from Noise to 0.",
            (tokens,),
            (text.shape[1],),
        )
    return _repeated(text, tokens)


def _repeated(text: Tensor, tokens: int) -> Tensor:
    """Repeat text (N, t, D) until t is a multiple of `tokens`, as ComfyUI
    does; repetition does not change the attention.
    """
    return text.repeat(1, math.lcm(text.shape[1], tokens) // text.shape[1], 1)
