"""AnimateDiff's temporal modules (arXiv 2307.04725; paper section
3.5): every latent pixel attends over the frames.

Parameters carry diffusers' MotionAdapter names, as the official hm*_animatediff files do. Files in
AnimateDiff's own names are renamed by one table. Axis letters: b chunks of the UNet batch (cond, uncond), f
frames, c channels, h w feature pixels.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from einops import rearrange
from torch import Tensor, nn

from ...errors import ModelFileError, SettingError
from .layers import Attention, FeedForward, SinusoidalTable

GROUPS = 32

# AnimateDiff's own names -> diffusers' names. Both of its attentions hold the same positional table.
OWN_NAMES = (
    (r"^module\.", ""),
    (r"\.temporal_transformer\.", "."),
    (r"\.attention_blocks\.[01]\.pos_encoder\.pe$", ".pos_embed.pe"),
    (r"\.attention_blocks\.0\.", ".attn1."),
    (r"\.attention_blocks\.1\.", ".attn2."),
    (r"\.norms\.0\.", ".norm1."),
    (r"\.norms\.1\.", ".norm2."),
    (r"\.ff_norm\.", ".norm3."),
)
MODULE = re.compile(r"^((?:down|up)_blocks\.\d+|mid_block)\.motion_modules\.\d+\.")
TABLE = "transformer_blocks.0.pos_embed.pe"
DOWN_LAYERS, UP_LAYERS = 2, 3  # layers of each SD1.5 block
# Positions in the table of AnimateDiff v2 and later; v1 files contain their table, of 24 positions.
TABLE_LENGTH = 32


class TemporalBlock(nn.Module):
    """Two self-attentions over the frames and a feed-forward, each with norm and residual.

    The positional table is added after the norm.
    """

    def __init__(self, dim: int, table_length: int, operations=nn):
        super().__init__()
        self.pos_embed = SinusoidalTable(dim, table_length)
        self.norm1 = operations.LayerNorm(dim)
        self.attn1 = Attention(dim, operations=operations)
        self.norm2 = operations.LayerNorm(dim)
        self.attn2 = Attention(dim, operations=operations)
        self.norm3 = operations.LayerNorm(dim)
        self.ff = FeedForward(dim, 4 * dim, operations)

    def forward(self, x: Tensor) -> Tensor:
        """x (sequences, f, c) -> the same shape."""
        position = self.pos_embed(x.shape[1], x)
        x = x + self.attn1(self.norm1(x) + position)
        x = x + self.attn2(self.norm2(x) + position)
        return x + self.ff(self.norm3(x))


class TemporalTransformer(nn.Module):
    """One motion module: x + proj_out(block(proj_in(norm(x)))).

    Each feature pixel is one sequence over the frames.

    norm_over_frames: True = group-norm statistics over all frames together, as in diffusers, with which the
    official modules were fine-tuned; False = per frame, as in AnimateDiff's own code.
    """

    norm_over_frames = True

    def __init__(self, dim: int, table_length: int = TABLE_LENGTH, operations=nn):
        super().__init__()
        self.norm = operations.GroupNorm(GROUPS, dim, eps=1e-6)
        self.proj_in = operations.Linear(dim, dim)
        self.transformer_blocks = nn.ModuleList([TemporalBlock(dim, table_length, operations)])
        self.proj_out = operations.Linear(dim, dim)

    @property
    def longest(self) -> int:
        """Number of frames in the positional table."""
        block = self.transformer_blocks[0]
        assert isinstance(block, TemporalBlock)
        return block.pos_embed.trained_length

    def forward(self, x: Tensor, frames: int) -> Tensor:
        """x (b f, c, h, w) with f = frames -> the same shape.

        Raises SettingError for more frames than the table holds.
        """
        require_frames(frames, self.longest)
        height = x.shape[-2]
        if self.norm_over_frames:
            normed = self.norm(rearrange(x, "(b f) c h w -> b c (f h) w", f=frames))
            tokens = rearrange(normed, "b c (f h) w -> (b h w) f c", f=frames)
        else:
            tokens = rearrange(self.norm(x), "(b f) c h w -> (b h w) f c", f=frames)
        tokens = self.proj_out(self.transformer_blocks[0](self.proj_in(tokens)))
        return x + rearrange(tokens, "(b h w) f c -> (b f) c h w", h=height, w=x.shape[-1])


class _Block(nn.Module):
    """The motion modules of one UNet block, one after each of its layers."""

    def __init__(self, modules: list[TemporalTransformer]):
        super().__init__()
        self.motion_modules = nn.ModuleList(modules)


class AnimateDiff(nn.Module):
    """All temporal modules of one file: one after every layer of the UNet; some
    files (v2) also have one inside the middle block.
    """

    def __init__(
        self,
        down: Sequence[int],
        up: Sequence[int],
        mid: int | None = None,
        table_length: int = TABLE_LENGTH,
        operations=nn,
    ):
        """down, up: channels of the UNet's blocks in the UNet's order; mid:
        channels of the middle block, None = no module there.
        """
        super().__init__()

        def block(width: int, layers: int) -> _Block:
            return _Block([TemporalTransformer(width, table_length, operations) for _ in range(layers)])

        self.down_blocks = nn.ModuleList(block(width, DOWN_LAYERS) for width in down)
        self.up_blocks = nn.ModuleList(block(width, UP_LAYERS) for width in up)
        self.mid_block = block(mid, 1) if mid else None

    @property
    def longest(self) -> int:
        """Longest window in frames."""
        return min(module.longest for module in self.modules() if isinstance(module, TemporalTransformer))

    def norm_each_frame(self) -> None:
        """Compute group-norm statistics per frame, for files in AnimateDiff's own names."""
        for module in self.sites().values():
            module.norm_over_frames = False

    def sites(self) -> dict[tuple[str, int, int], TemporalTransformer]:
        """Modules by place, ("down" or "up", block, layer) or ("mid", 0, 0).

        Each acts right after that layer of the UNet.
        """
        groups = {
            "down": self.down_blocks,
            "mid": [self.mid_block] if self.mid_block else [],
            "up": self.up_blocks,
        }
        return {
            (side, i, j): module
            for side, blocks in groups.items()
            for i, block in enumerate(blocks)
            for j, module in enumerate(block.motion_modules)
        }


def in_own_names(state: Mapping[str, Tensor]) -> bool:
    """Whether a state dict uses AnimateDiff's own names."""
    return any(".temporal_transformer." in key for key in state)


def diffusers_names(state: Mapping[str, Tensor], file: str = "file") -> dict[str, Tensor]:
    """Rename a state dict of temporal modules to diffusers' names.

    Positional tables that a file leaves out are computed.

    Raises ModelFileError if the two tables of one module differ, because diffusers' names hold only one.
    """
    renamed: dict[str, Tensor] = {}
    for key, tensor in state.items():
        name = key
        for pattern, replacement in OWN_NAMES:
            name = re.sub(pattern, replacement, name)
        if name in renamed and not renamed[name].equal(tensor):
            raise ModelFileError(
                f'{file}: the two positional tables of "{name}" differ, but must be equal. Download the file again.',
                file,
            )
        renamed[name] = tensor
    for key in list(renamed):
        module = MODULE.match(key)
        if module and key.endswith(".proj_in.weight") and (table := module.group() + TABLE) not in renamed:
            renamed[table] = SinusoidalTable(renamed[key].shape[0], TABLE_LENGTH).pe
    return renamed


def require_frames(frames: int, longest: int) -> None:
    """Raise SettingError if a window has more frames than a motion module's positional table."""
    if frames > longest:
        raise SettingError(
            f"This motion module reaches {longest} frames, the window has {frames}: set a shorter window.",
            "window_length",
            frames,
        )
