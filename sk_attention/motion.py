"""SK motion of HelloMeme v3-v5: at every block boundary the frames of a window attend to each other and to
the key frames at both ends of the window.

Axis letters: b chunks of the UNet batch (cond, uncond), f frames of a window, c channels, h w feature pixels.
`pads` (b, 2, c, h, w) are the captured features of the first and the last key frame.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from einops import rearrange
from torch import Tensor, nn

from ..unet.clip.fit import fitted, resized, size_of
from ..unet.clip.frames import Rows
from ..unet.feature_cache import TargetDevice
from ..unet.networks.animatediff import TemporalTransformer, require_frames
from ..unet.networks.layers import Attention, FeedForward, SinusoidalTable, conv3x3
from ..unet.patches import MOTION, Call

Pads = Mapping[str, Tensor]
# Frame -> side -> block boundary -> features (c, h, w).
KeyFrames = dict[int, Mapping[int, Mapping[str, Tensor]]]


class SKMotionModule(nn.Module):
    """SK motion module of v3 and v4: h + proj(FF(attention(norm(sequence + time + position)))), with the
    results of the pads removed.

    Without pads the frames keep the positions 1..f that they have between two pads.
    """

    def __init__(self, dim: int, embedding_dim: int = 1280, table_length: int = 154, operations=nn):
        super().__init__()
        self.pos_embed_t = SinusoidalTable(dim, table_length)
        self.time_emb_proj = operations.Linear(embedding_dim, dim)
        self.temp_attn = Attention(dim, operations=operations)
        self.norm = operations.LayerNorm(dim)
        self.ff = FeedForward(dim, 2 * dim, operations)
        self.proj = conv3x3(dim, dim, operations=operations)

    @property
    def longest(self) -> int:
        """Largest number of frames between two pads."""
        return self.pos_embed_t.trained_length - 2

    def forward(self, h: Tensor, frames: int, pads: Tensor | None, emb: Tensor) -> Tensor:
        """h (b f, c, h, w) -> the same shape.

        emb (b f, 4 x model channels): the UNet's time embedding before its SiLU; pads: None = no key frames.
        """
        require_frames(frames, self.longest)
        sequence = _between(h, frames, pads)
        time = rearrange(self.time_emb_proj(emb), "(b f) c -> b f c 1 1", f=frames)[:, :1]
        height, width = h.shape[-2:]
        x = rearrange(sequence + time, "b f c h w -> (b h w) f c")
        position = self.pos_embed_t(frames + 2, x)
        x = self.ff(self.temp_attn(self.norm(x + (position if pads is not None else position[1:-1]))))
        x = rearrange(x, "(b h w) f c -> b f c h w", h=height, w=width)
        return h + self.proj(_without_pads(x, pads))


class SKMotionModuleV5(nn.Module):
    """SK motion module of v5: attn1(h + attn_pad(sequence)), with
    AnimateDiff's transformer; without pads, attn1 alone.

    It does not use the time embedding.
    """

    def __init__(self, dim: int, table_length: int = 32, operations=nn):
        super().__init__()
        self.attn1 = TemporalTransformer(dim, table_length, operations)
        self.attn_pad = TemporalTransformer(dim, table_length, operations)

    @property
    def longest(self) -> int:
        """Largest number of frames between two pads."""
        return self.attn_pad.longest - 2

    def forward(self, h: Tensor, frames: int, pads: Tensor | None, emb: Tensor | None = None) -> Tensor:
        """h (b f, c, h, w) -> the same shape.

        attn_pad has its own residual, so with pads h is added twice, as in the official code.
        """
        require_frames(frames, self.longest)
        x = h
        if pads is not None:
            sequence = rearrange(_between(h, frames, pads), "b f c h w -> (b f) c h w")
            moved = rearrange(self.attn_pad(sequence, frames + 2), "(b f) c h w -> b f c h w", f=frames + 2)
            x = h + _without_pads(moved, pads)
        return self.attn1(x, frames)


BLOCKS = {"timed": SKMotionModule, "doubled": SKMotionModuleV5}


class SKMotion(nn.Module):
    """The motion adapter: one module per block boundary, `motion_down.i` after down block i and
    `motion_up.i` before up block i.
    """

    def __init__(self, block: str, down: Sequence[int], up: Sequence[int], operations=nn, **block_options):
        """block: a key of BLOCKS; down, up: channels of the modules in checkpoint order."""
        super().__init__()
        self.block = block

        def modules(widths: Sequence[int]) -> nn.ModuleList:
            return nn.ModuleList(
                BLOCKS[block](width, operations=operations, **block_options) for width in widths
            )

        self.motion_down, self.motion_up = modules(down), modules(up)

    @property
    def longest(self) -> int:
        """Longest window in frames."""
        return min(
            module.longest
            for module in self.modules()
            if isinstance(module, (SKMotionModule, SKMotionModuleV5))
        )

    @property
    def has_margins(self) -> bool:
        """Whether the key-frame tree starts from two frames sampled without
        motion (v3, v4), because the modules need pads.
        """
        return self.block == "timed"

    def boundaries(self) -> dict[str, nn.Module]:
        """Modules by block boundary: down_0, down_1, ... up_0, up_1, ..."""
        sides = {"down": self.motion_down, "up": self.motion_up}
        return {f"{side}_{i}": module for side, modules in sides.items() for i, module in enumerate(modules)}


class MotionPatch:
    """SK motion as a patch: at each block boundary the frames of a chunk attend to
    each other and to the key frames at its ends.
    """

    order = MOTION

    def __init__(self, network: SKMotion, key_frames: KeyFrames | None = None):
        self.sites = network.boundaries()
        self.key_frames = {} if key_frames is None else key_frames
        self._pads: dict[
            tuple, Pads
        ] = {}  # (ends of the window, chunks of the call, views, device and dtype) -> pads made in this run

    def prepare(self, rows: Rows, target: TargetDevice) -> Pads | None:
        """Return the pads {block boundary: (chunks, 2, c, h, w)}; None if the first or last frame of the
        window is not a key frame.
        """
        ends = rows.window[0], rows.window[-1]
        if not all(end in self.key_frames for end in ends):
            return None
        key = (ends, rows.chunks, rows.views, target.there)
        kept = self._pads.get(key)
        if kept is None:
            seen = [[self.key_frames[end][side] for end in ends] for side in rows.chunks]
            views = rows.views or [None] * len(seen)

            def pads(boundary: str) -> Tensor:
                chunks = (torch.stack([features[boundary] for features in row]) for row in seen)
                fit = [
                    chunk if view is None else fitted(chunk, boundary, view)
                    for chunk, view in zip(chunks, views, strict=True)
                ]
                return torch.stack(fit).to(target.device, target.dtype)

            kept = {boundary: pads(boundary) for boundary in self.sites}
            if sum(made.nbytes for made in kept.values()) < target.free_vram():
                self._pads[key] = kept
        return kept

    def __call__(self, boundary: str, h: Tensor, prepared: Pads | None, call: Call) -> Tensor:
        """h (chunks x frames, c, h, w) -> the same shape."""
        return self.sites[boundary](h, call.chunk, prepared and prepared[boundary], call.emb)

    def release(self) -> None:
        """Free the pads of a run. The key frames are kept for the later runs of their tree."""
        self._pads.clear()


def _between(h: Tensor, frames: int, pads: Tensor | None) -> Tensor:
    """h (b f, c, h, w) -> (b, f, c, h, w), or (b, f + 2, c, h, w) with a pad at each end."""
    h = rearrange(h, "(b f) c h w -> b f c h w", f=frames)
    if pads is None:
        return h
    # A node may have resized h inside the UNet.
    ends = resized(pads.flatten(0, 1), size_of(h)).unflatten(0, pads.shape[:2]).to(h)
    return torch.cat([ends[:, :1], h, ends[:, -1:]], dim=1)


def _without_pads(x: Tensor, pads: Tensor | None) -> Tensor:
    """Remove the pads: (b, f or f + 2, c, h, w) -> (b f, c, h, w)."""
    return rearrange(x if pads is None else x[:, 1:-1], "b f c h w -> (b f) c h w")
