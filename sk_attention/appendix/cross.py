"""SK cross-attention in the transformer blocks of SD1.5 (appendix A): rows,
then columns of a feature map attend to tokens.

Axis letters: B items of the UNet batch, R token sequences, n = h w latent pixels, m
tokens, C channels of the block, D of the tokens.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from torch import Tensor, nn

from ...unet.hosts.comfy_attention import BLOCKS, Place
from ...unet.networks.layers import Attention, SinusoidalTable
from ..attention import KeysValues, attend_tokens

LENGTH = 128  # positions in the table of a new network; longer feature maps extend it by the same formula
FACE_TOKENS, EMBEDDING = 5, 512  # copies of an ArcFace embedding, and its width
TEXT_TOKENS = 77

# Place -> name of its module in a file, which is ComfyUI's name of the block.
NAMES: dict[Place, str] = {place: f"{side}_{number}" for place, (side, number) in BLOCKS.items()}


class Projected(NamedTuple):
    """Keys and values of R token sequences for the row pass and the column pass."""

    rows: KeysValues
    columns: KeysValues

    def of(self, which: Tensor) -> Projected:
        """Return the keys and values of the sequences `which` (B,)."""
        return Projected(*((keys[which], values[which]) for keys, values in self))


class SKCross(nn.Module):
    """proj(column attention(norm2(row attention(norm1(n + table)) + table))), as in Fig. 2 without its
    convolution and feed-forward.

    `pos_embed_hidden` distinguishes equal tokens: the five copies of a face embedding differ only by it.
    """

    def __init__(self, dim: int, context_dim: int, table_length: int, hidden_length: int, operations=nn):
        super().__init__()
        self.pos_embed = SinusoidalTable(dim, table_length)
        self.pos_embed_hidden = SinusoidalTable(context_dim, hidden_length)
        self.norm1 = operations.LayerNorm(dim)
        self.attn1 = Attention(dim, context_dim, operations=operations)
        self.norm2 = operations.LayerNorm(dim)
        self.attn2 = Attention(dim, context_dim, operations=operations)
        self.proj = operations.Linear(dim, dim)

    def project(self, tokens: Tensor) -> Projected:
        """Project tokens (R, m, D) to keys and values."""
        tokens = tokens + self.pos_embed_hidden(tokens.shape[-2], tokens)
        return Projected(self.attn1.keys_values(tokens), self.attn2.keys_values(tokens))

    def forward(self, n: Tensor, grid: tuple[int, int], tokens: Projected) -> Tensor:
        """n (B, h w, C) of a feature map with grid (h, w), tokens of B sequences -> (B, h w, C)."""
        x = n.unflatten(1, grid)
        x = attend_tokens(x, self.attn1, self.norm1, self.pos_embed, tokens.rows).transpose(1, 2)
        x = attend_tokens(x, self.attn2, self.norm2, self.pos_embed, tokens.columns).transpose(1, 2)
        return self.proj(x.flatten(1, 2))


class SKCrossAdapter(nn.Module):
    """One SKCross per given transformer block. Parameters are named `<family>.<ComfyUI block>.<tensor>`."""

    family = ""

    def __init__(
        self,
        widths: Mapping[str, int],
        context_dim: int,
        table_length: int = LENGTH,
        hidden_length: int = TEXT_TOKENS,
        operations=nn,
    ):
        """widths: name of a block -> its channels C."""
        super().__init__()
        self.context_dim = context_dim
        tables = (table_length, hidden_length)
        modules = {name: SKCross(c, context_dim, *tables, operations) for name, c in widths.items()}
        self.add_module(self.family, nn.ModuleDict(modules))

    @property
    def sites(self) -> dict[Place, SKCross]:
        """{place: module}."""
        modules = getattr(self, self.family)
        return {place: modules[name] for place, name in NAMES.items() if name in modules}

    def silence(self) -> None:
        """Set the last layers of a new network to zero, so that it initially adds nothing ("zero conv")."""
        for module in self.sites.values():
            nn.init.zeros_(module.proj.weight)
            nn.init.zeros_(module.proj.bias)


class FaceIDAdapter(SKCrossAdapter):
    """IPAdapterSK FaceID: its tokens are five copies of one face embedding."""

    family = "face_id_sk"


class TextAdapter(SKCrossAdapter):
    """SK cross-attention as the text attention (SK_EXP): its tokens are the prompt's."""

    family = "text_sk"


def face_tokens(embeddings: Tensor) -> Tensor:
    """Repeat embeddings (R, 512) to tokens (R, 5, 512)."""
    return embeddings[:, None].expand(-1, FACE_TOKENS, -1)
