"""Extra batch items of a UNet call: a reference, or frames of another
clip, whose hidden states the frames attend to.

They are appended at the end of each chunk, so frame indices stay valid. Other nodes' patches skip them, and
they are removed from the output. Imports nothing from ComfyUI: patchers and executors are arguments.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ...errors import CombinationError

KEY = "sk_portrait_extra_rows"  # in transformer_options: the Layout of a call with extra items
SEEN = "sk_portrait_rows_seen"  # in transformer_options: function from frames per chunk to items per chunk
TILING = "HyperTile"  # part of the qualified names of that node's patches
DIFFUSION_MODEL = "diffusion_model"  # WrappersMP.DIFFUSION_MODEL: wrappers of one UNet call


class Layout(NamedTuple):
    """Layout of a batch: each chunk holds `frames` frames, followed by `extra[chunk]` extra items."""

    frames: int
    extra: tuple[int, ...]

    def split(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """(B, ...) -> (frames, extra items), both in the order of the chunks."""
        parts = rows.split([n for extra in self.extra for n in (self.frames, extra)])
        return torch.cat(parts[::2]), torch.cat(parts[1::2])

    def join(self, frames: Tensor, extra: Tensor) -> Tensor:
        """The inverse of `split`."""
        pairs = zip(frames.split(self.frames), extra.to(frames).split(list(self.extra)), strict=True)
        return torch.cat([part for pair in pairs for part in pair])


class ExtraItems(NamedTuple):
    """Extra items in the order of the chunks: latents (R, 4, h, w) in the UNet's
    own scale, timesteps (R,), context (R, t, D).

    extra: number of extra items per chunk.
    """

    extra: tuple[int, ...]
    latents: Tensor
    timesteps: Tensor
    context: Tensor


def layout_of(options: Mapping[str, Any]) -> Layout | None:
    """Layout of a UNet call from its transformer_options; None if it holds frames only."""
    return options.get(KEY)


def on_frames(act: Callable[[Tensor], Tensor], h: Tensor, options: Mapping[str, Any]) -> Tensor:
    """Apply `act` to the frames only; extra items stay as they are."""
    layout = layout_of(options)
    if layout is None:
        return act(h)
    frames, extra = layout.split(h)
    return layout.join(act(frames), extra)


def frames_of(h: Tensor, options: Mapping[str, Any]) -> Tensor:
    """Return the items of h that are frames, without the extra items."""
    layout = layout_of(options)
    return h if layout is None else layout.split(h)[0]


def run(
    executor: Callable,
    items: ExtraItems,
    x: Tensor,
    timesteps: Tensor,
    context: Tensor,
    y: Tensor | None,
    control: Mapping[str, Sequence[Tensor | None]] | None,
    options: Mapping[str, Any],
    **others,
) -> Tensor:
    """Run one UNet call with extra items: x (chunks x frames, 4, h, w) -> the result for these frames.

    The arguments are those of a DIFFUSION_MODEL wrapper. ControlNets do not act on the extra items. Raises
    CombinationError if HyperTile is active.
    """
    if any(
        TILING in getattr(patch, "__qualname__", "")
        for patch in options.get("patches", {}).get("attn1_patch", ())
    ):
        raise CombinationError(
            "HyperTile cuts each frame's self-attention into tiles, and X-Dyna, Lock Frames to Reference and "
            "Redraw Clip from Noise need whole pictures: leave HyperTile out.",
            "HyperTile",
        )
    layout = Layout(len(x) // len(items.extra), items.extra)
    grown = layout.join(x, items.latents)

    def padded(residual: Tensor | None) -> Tensor | None:
        if residual is None:
            return None
        residual = residual.expand(len(x), *residual.shape[1:])
        return layout.join(residual, residual.new_zeros(sum(items.extra), *residual.shape[1:]))

    # ComfyUI removes used entries from these lists, so every call gets its own.
    controls = control and {
        side: [padded(residual) for residual in residuals] for side, residuals in control.items()
    }
    timesteps, context = layout.join(timesteps, items.timesteps), layout.join(context, items.context)
    return layout.split(executor(grown, timesteps, context, y, controls, {**options, KEY: layout}, **others))[
        0
    ]


def one_each(frames: int) -> int:
    """Items per chunk if each chunk has one extra item."""
    return frames + 1


def attach(patcher: Any, wrapper: Callable, system: str, seen: Callable[[int], int] = one_each) -> None:
    """Register `wrapper`, which calls `run`, on a freshly cloned MODEL.

    system: name of the system, for errors; seen: function from frames per chunk to items per chunk, for
    ComfyUI's memory estimate. Raises CombinationError if an earlier node adds extra items too.
    """
    if earlier := system_of(patcher):
        raise CombinationError(
            f"{system} adds rows of its own to every UNet call, and {earlier} is on this MODEL and does the same: "
            "use one of them, or one after the other on the finished video.",
            earlier,
        )
    patcher.add_wrapper_with_key(DIFFUSION_MODEL, f"{KEY}:{system}", wrapper)
    patcher.model_options["transformer_options"][SEEN] = seen


def items_seen(options: Mapping[str, Any], frames: int) -> int:
    """Items per chunk, including extra items, for a MODEL with these transformer_options."""
    return options.get(SEEN, int)(frames)


def system_of(patcher: Any) -> str | None:
    """Name of the system that adds extra items on this MODEL, or None."""
    keys = patcher.wrappers.get(DIFFUSION_MODEL, {})
    return next(
        (key.removeprefix(f"{KEY}:") for key in keys if isinstance(key, str) and key.startswith(f"{KEY}:")),
        None,
    )
