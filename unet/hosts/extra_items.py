"""Rows that ride along in a UNet call: a reference, or frames of another clip, whose hidden states the frames attend to.

They go last in their chunk, so that row k of a chunk stays frame k for everybody who counts rows from its start, see nothing of what
other nodes do to frames, and are taken out of the result. Nothing of the host is imported: patchers and executors come in as
arguments.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

KEY = "sk_portrait_extra_rows"  # in transformer_options: the Layout of a call that holds such rows
SEEN = "sk_portrait_rows_seen"  # in transformer_options: frames of a chunk -> rows that the UNet sees for them
TILING = "HyperTile"  # the host's node, in the qualified names of its patches
DIFFUSION_MODEL = "diffusion_model"  # the host's name for wrappers of one UNet call (WrappersMP.DIFFUSION_MODEL)


class Layout(NamedTuple):
    """Each chunk of a batch holds `frames` rows, then as many of ours as `extra` says for it."""

    frames: int
    extra: tuple[int, ...]

    def split(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """rows of a whole batch -> (those of the frames, those that ride along), each chunk after chunk."""
        parts = rows.split([n for extra in self.extra for n in (self.frames, extra)])
        return torch.cat(parts[::2]), torch.cat(parts[1::2])

    def join(self, frames: Tensor, extra: Tensor) -> Tensor:
        """The inverse of `split`."""
        pairs = zip(frames.split(self.frames), extra.to(frames).split(list(self.extra)), strict=True)
        return torch.cat([part for pair in pairs for part in pair])


class Guests(NamedTuple):
    """What rides along, chunk after chunk: latents (R, 4, h, w) in the UNet's own scale, timesteps (R,), context (R, t, D); `extra`
    says how many rows are each chunk's."""

    extra: tuple[int, ...]
    latents: Tensor
    timesteps: Tensor
    context: Tensor


def layout_of(options: Mapping[str, Any]) -> Layout | None:
    """The layout of the UNet call that the host describes in its transformer_options; None where it holds frames only."""
    return options.get(KEY)


def on_frames(act: Callable[[Tensor], Tensor], h: Tensor, options: Mapping[str, Any]) -> Tensor:
    """act(rows of the frames), put back among the rows that ride along, which stay as they are."""
    layout = layout_of(options)
    if layout is None:
        return act(h)
    frames, extra = layout.split(h)
    return layout.join(act(frames), extra)


def frames_of(h: Tensor, options: Mapping[str, Any]) -> Tensor:
    """The rows of the frames."""
    layout = layout_of(options)
    return h if layout is None else layout.split(h)[0]


def run(
    executor: Callable,
    guests: Guests,
    x: Tensor,
    timesteps: Tensor,
    context: Tensor,
    y: Tensor | None,
    control: Mapping[str, Sequence[Tensor | None]] | None,
    options: Mapping[str, Any],
    **others,
) -> Tensor:
    """One UNet call of the host with guests; for the body of a DIFFUSION_MODEL wrapper, whose arguments these are.

    x (chunks x frames, 4, h, w) -> the result for these rows. ControlNets do not act on the guests. Raises ValueError beside HyperTile.
    """
    if any(TILING in getattr(patch, "__qualname__", "") for patch in options.get("patches", {}).get("attn1_patch", ())):
        raise ValueError(
            "HyperTile cuts each frame's self-attention into tiles, and X-Dyna, Anchor Frames and Apply Inversion look at whole pictures: "
            "leave HyperTile out."
        )
    layout = Layout(len(x) // len(guests.extra), guests.extra)
    grown = layout.join(x, guests.latents)

    def padded(residual: Tensor | None) -> Tensor | None:
        if residual is None:
            return None
        residual = residual.expand(len(x), *residual.shape[1:])
        return layout.join(residual, residual.new_zeros(sum(guests.extra), *residual.shape[1:]))

    # The host pops what it has used off these lists, so that every call gets its own.
    controls = control and {side: [padded(residual) for residual in residuals] for side, residuals in control.items()}
    timesteps, context = layout.join(timesteps, guests.timesteps), layout.join(context, guests.context)
    return layout.split(executor(grown, timesteps, context, y, controls, {**options, KEY: layout}, **others))[0]


def one_each(frames: int) -> int:
    """Rows of a chunk that one rides along in."""
    return frames + 1


def attach(patcher: Any, wrapper: Callable, system: str, seen: Callable[[int], int] = one_each) -> None:
    """Let `wrapper`, which calls `run`, bring rows along in every UNet call of a freshly cloned MODEL. system: its name for errors.
    seen: frames of a chunk -> rows that the UNet sees for them, for the host's estimate of memory.

    Raises ValueError where an earlier node does so already: neither knows the other's rows.
    """
    if earlier := system_of(patcher):
        raise ValueError(
            f"{system} adds rows of its own to every UNet call, and {earlier} is on this MODEL and does the same: "
            "use one of them, or one after the other on the finished video."
        )
    patcher.add_wrapper_with_key(DIFFUSION_MODEL, f"{KEY}:{system}", wrapper)
    patcher.model_options["transformer_options"][SEEN] = seen


def rows_seen(options: Mapping[str, Any], frames: int) -> int:
    """Rows that the UNet sees for a chunk of so many frames, on a MODEL with these transformer_options."""
    return options.get(SEEN, int)(frames)


def system_of(patcher: Any) -> str | None:
    """The system that adds rows to the UNet calls of this MODEL, None where there is none."""
    keys = patcher.wrappers.get(DIFFUSION_MODEL, {})
    return next((key.removeprefix(f"{KEY}:") for key in keys if isinstance(key, str) and key.startswith(f"{KEY}:")), None)
