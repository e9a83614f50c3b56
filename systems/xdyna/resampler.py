"""The Resampler of IP-Adapter-Plus: converts the hidden states of
CLIP's image encoder to sixteen tokens per picture.

Parameters carry the names of `image_proj` in the official ip-adapter-plus_sd15.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class PerceiverAttention(nn.Module):
    """Attention of the tokens to the picture and to each other."""

    def __init__(self, dim: int, inner: int, heads: int, operations=nn):
        super().__init__()
        self.heads = heads
        self.norm1 = operations.LayerNorm(dim)
        self.norm2 = operations.LayerNorm(dim)
        self.to_q = operations.Linear(dim, inner, bias=False)
        self.to_kv = operations.Linear(dim, 2 * inner, bias=False)
        self.to_out = operations.Linear(inner, dim, bias=False)

    def forward(self, picture: Tensor, tokens: Tensor) -> Tensor:
        """picture (B, m, C), tokens (B, k, C) -> residual (B, k, C) to add to the tokens."""
        tokens = self.norm2(tokens)
        keys, values = self.to_kv(torch.cat([self.norm1(picture), tokens], dim=1)).chunk(2, dim=-1)
        q, k, v = (
            x.unflatten(-1, (self.heads, -1)).transpose(1, 2) for x in (self.to_q(tokens), keys, values)
        )
        return self.to_out(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))


def _feed_forward(dim: int, inner: int, operations) -> nn.Sequential:
    up, down = operations.Linear(dim, inner, bias=False), operations.Linear(inner, dim, bias=False)
    return nn.Sequential(operations.LayerNorm(dim), up, nn.GELU(), down)


class Resampler(nn.Module):
    """Resampler of `depth` layers of attention and feed-forward over learned queries."""

    def __init__(
        self,
        embedding: int,
        dim: int,
        out: int,
        depth: int,
        inner: int,
        heads: int,
        queries: int,
        hidden: int,
        operations=nn,
    ):
        """embedding: channels of the picture's hidden states; dim: inner channels of the tokens; out:
        channels of the result; inner: channels of all heads together; hidden: channels of the feed-forward;
        queries: number of tokens.
        """
        super().__init__()
        self.latents = nn.Parameter(torch.zeros(1, queries, dim))
        self.proj_in = operations.Linear(embedding, dim)
        self.proj_out = operations.Linear(dim, out)
        self.norm_out = operations.LayerNorm(out)
        self.layers = nn.ModuleList(
            nn.ModuleList(
                [PerceiverAttention(dim, inner, heads, operations), _feed_forward(dim, hidden, operations)]
            )
            for _ in range(depth)
        )

    def forward(self, states: Tensor) -> Tensor:
        """states (B, m, embedding), CLIP's last but one hidden states -> tokens (B, queries, out)."""
        picture = self.proj_in(states)
        tokens = self.latents.to(picture).expand(len(picture), -1, -1)
        for layer in self.layers:
            attention, feed_forward = layer.children()
            tokens = tokens + attention(picture, tokens)
            tokens = tokens + feed_forward(tokens)
        return self.norm_out(self.proj_out(tokens))
