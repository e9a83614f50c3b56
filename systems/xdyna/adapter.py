"""X-Dyna's Dynamics-Adapter and its image attention (arXiv 2501.10021, section 3.2): attention of the frames
to the reference picture.

Both add layers of their own to the sixteen attention blocks of an SD1.5 UNet and leave its weights unchanged.
Parameters carry the names of the official UNet file. Axis letters: B batch items, V chunks of the batch (each
with its own reference item), n feature pixels, C channels of a block, D text width, h heads.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from ...unet.hosts.comfy_attention import Place

# In the order of IP-Adapter's numbers 1, 3, ..., 31.
PLACES: tuple[Place, ...] = (
    *(("down", block, layer) for block in range(3) for layer in range(2)),
    *(("up", block, layer) for block in range(1, 4) for layer in range(3)),
    ("mid", 0, 0),
)
TOKENS = 16  # tokens per picture


def path(place: Place) -> str:
    """Official name of the transformer block at a place."""
    side, block, layer = place
    where = "mid_block" if side == "mid" else f"{side}_blocks.{block}"
    return f"{where}.attentions.{layer}.transformer_blocks.0"


def attend(queries: Tensor, keys: Tensor, values: Tensor, heads: int) -> Tensor:
    """Multi-head attention without projections: (B, n, C), (V, m, C), (V, m, C) -> (B, n, C).

    All items of a chunk attend to the same keys and values, which are not copied per item.
    """
    rows = len(queries) // len(keys)
    q = rearrange(queries, "(v r) n (h d) -> v h (r n) d", r=rows, h=heads)
    k, v = (rearrange(x, "v m (h d) -> v h m d", h=heads) for x in (keys, values))
    return rearrange(F.scaled_dot_product_attention(q, k, v), "v h (r n) d -> (v r) n (h d)", r=rows)


class ReferenceTerm(nn.Module):
    """The second term of a self-attention (equation 3).

    Queries have their own projection; keys and values of the reference item come from the UNet's projections,
    so LoRAs affect them too.
    """

    def __init__(self, dim: int, operations=nn):
        super().__init__()
        self.to_q_ff = operations.Linear(dim, dim, bias=False)
        self.to_out_ff = operations.Linear(dim, dim)

    def forward(self, n: Tensor, keys: Tensor, values: Tensor, heads: int) -> Tensor:
        """n (B, n, C) after the UNet's norm, keys and values (V, n, C) of the
        references -> (B, n, C), to be added after to_out.

        The items of a chunk are neighbours. The reference is one of them, so it attends to itself.
        """
        return self.to_out_ff(attend(self.to_q_ff(n), keys, values, heads))


class ImageTerm(nn.Module):
    """Attention to the picture's tokens in a text attention (IP-Adapter-Plus): own key and value
    projections, queries of the text attention.
    """

    def __init__(self, dim: int, token_dim: int, operations=nn):
        super().__init__()
        self.to_k_ip = operations.Linear(token_dim, dim, bias=False)
        self.to_v_ip = operations.Linear(token_dim, dim, bias=False)

    def forward(self, queries: Tensor, tokens: Tensor, heads: int) -> Tensor:
        """queries (B, n, C), tokens (V, 16, D) -> (B, n, C), to be added before to_out."""
        return attend(queries, self.to_k_ip(tokens), self.to_v_ip(tokens), heads)


class _Named(nn.Module):
    """Module that registers submodules under dotted paths, as the official UNet names them."""

    def put(self, name: str, module: nn.Module) -> None:
        first, _, rest = name.partition(".")
        if not rest:
            self.add_module(first, module)
            return
        if first not in self._modules:
            self.add_module(first, _Named())
        child = self._modules[first]
        assert isinstance(child, _Named)
        child.put(rest, module)


class DynamicsAdapter(_Named):
    """The reference and image terms of one file at all sixteen places."""

    def __init__(self, widths: Mapping[Place, int], token_dim: int, operations=nn):
        """widths: channels of each place."""
        super().__init__()
        self.reference = {place: ReferenceTerm(width, operations) for place, width in widths.items()}
        self.image = {place: ImageTerm(width, token_dim, operations) for place, width in widths.items()}
        for place in widths:
            self.put(f"{path(place)}.attn1", self.reference[place])
            self.put(f"{path(place)}.attn2", self.image[place])
