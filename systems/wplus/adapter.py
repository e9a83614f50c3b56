"""The W+ adapter (csxmli2016/w-plus-adapter): StyleGAN's w+ codes of a face become four tokens, to which an
extra attention after every text attention attends.

Parameters carry the names of the official `wplus_adapter.bin`. Axis letters: R w+ codes, L = 18 layers of
StyleGAN, B items of the UNet batch, n feature pixels, C channels of a block, D text width, h heads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...errors import ModelFileError
from ...unet.networks.layers import HEADS
from ...unet.networks.strict_load import fill, flattened

LAYERS, WIDTH = 18, 512  # shape of a w+ code
TOKENS = ((0, 4), (4, 8), (8, 12), (12, 18))  # the layers of each token, from coarse to fine

# The official number of a module -> the layer that it follows, as (side, UNet block, layer).
PLACES = {
    **{1 + 4 * block + 2 * layer: ("down", block, layer) for block in range(3) for layer in range(2)},
    **{13 + 6 * block + 2 * layer: ("up", 1 + block, layer) for block in range(3) for layer in range(3)},
    31: ("mid", 0, 0),
}


class Projection(nn.Module):
    """Projects a w+ code to four tokens: one Linear without bias
    per group of layers, then one LayerNorm for all.

    The norm removes the length of a code. A direction by itself therefore gives
    the same tokens at any length that is not tiny.
    """

    def __init__(self, dim: int, operations=nn):
        super().__init__()
        for i, (first, end) in enumerate(TOKENS):
            setattr(self, f"proj_{i}", operations.Linear((end - first) * WIDTH, dim, bias=False))
        self.norm = operations.LayerNorm(dim)

    def forward(self, w: Tensor) -> Tensor:
        """w (R, L, 512) -> (R, 4, D)."""
        tokens = [
            getattr(self, f"proj_{i}")(w[:, first:end].flatten(1)) for i, (first, end) in enumerate(TOKENS)
        ]
        return self.norm(torch.stack(tokens, dim=1))


class ResidualAttention(nn.Module):
    """Attention to the tokens.

    Its queries come from the output of the text attention, before its output projection.
    """

    def __init__(self, dim: int, token_dim: int, operations=nn):
        super().__init__()
        self.to_q_wplus = operations.Linear(dim, dim, bias=False)
        self.to_k_wplus = operations.Linear(token_dim, dim, bias=False)
        self.to_v_wplus = operations.Linear(token_dim, dim, bias=False)

    def forward(self, text: Tensor, tokens: Tensor) -> Tensor:
        """text (B, n, C), tokens (B, 4, D) -> residual (B, n, C) to add to text."""
        q, k, v = self.to_q_wplus(text), self.to_k_wplus(tokens), self.to_v_wplus(tokens)
        q, k, v = (x.unflatten(-1, (HEADS, -1)).transpose(1, 2) for x in (q, k, v))
        return F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)


class WPlus(nn.Module):
    """The whole adapter: the projection, and one attention for each of the 16 transformer blocks.

    widths: channels of the blocks, in the order of their official numbers.
    """

    def __init__(self, dim: int, widths: Sequence[int], operations=nn):
        super().__init__()
        self.w_proj = Projection(dim, operations)
        numbered = zip(sorted(PLACES), widths, strict=True)
        self.wplus_adapter = nn.ModuleDict(
            {str(number): ResidualAttention(width, dim, operations) for number, width in numbered}
        )

    def sites(self) -> dict[tuple[str, int, int], ResidualAttention]:
        """{place: attention}."""
        return {
            place: cast(ResidualAttention, self.wplus_adapter[str(number)])
            for number, place in PLACES.items()
        }


class WPlusFileError(ModelFileError):
    """A file is not the W+ adapter, or is incomplete."""


def load(state: Mapping, file: str, operations=nn, dtype: torch.dtype | None = None) -> WPlus:
    """Build the adapter from an official file.

    state: `{"w_proj": tensors, "wplus_adapter": tensors}`, or the same with flat names.

    Raises WPlusFileError that names a missing, foreign or misshapen tensor.
    """
    flat = flattened(state)
    shapes = {name: tuple(tensor.shape) for name, tensor in flat.items()}
    keys = {number: f"wplus_adapter.{number}.to_k_wplus.weight" for number in sorted(PLACES)}
    if missing := [key for key in keys.values() if len(shapes.get(key, ())) != 2]:
        raise WPlusFileError(
            f"{file} is no W+ adapter: {missing[0]!r} is missing ({len(missing)} of {len(keys)} such tensors are).",
            file,
        )
    network = WPlus(shapes[keys[1]][1], [shapes[key][0] for key in keys.values()], operations)
    return fill(network, flat, file, "a W+ adapter", WPlusFileError, dtype)
