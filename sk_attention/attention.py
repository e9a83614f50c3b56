"""Spatial Knitting attention (HelloMeme, arXiv 2410.22901, section 3.1, Fig. 2 and 3): attention along every
row of the feature map, then along every column.

Axis letters: B items of the UNet batch, R references (one per chunk of the batch), C channels, H W feature
pixels, h heads, d channels per head.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from einops import rearrange
from torch import Tensor, nn

from ..unet.clip.run import Area
from ..unet.networks.layers import Attention, FeedForward, LinearTable, ResidualDown, SinusoidalTable, conv3x3

KeysValues = tuple[Tensor, Tensor]


class ReferenceKV(NamedTuple):
    """Keys and values of the reference for both passes.

    They are equal for every step and frame, so they are projected once per run.

    A target that shows a part of the picture attends to whole rows and columns of the reference. `places`
    then holds the positional tables (R, 1, n, C) of the target's feature pixels in the whole picture's rows
    and columns. None: the target is the whole picture.
    """

    rows: KeysValues  # each (R, H, h, W, d)
    columns: KeysValues  # each (R, W, h, H, d)
    places: tuple[Tensor, Tensor] | None = None


def _beside(own: KeysValues, reference: KeysValues) -> KeysValues:
    """Concatenate the keys and values (B, lines, h, n, d) of each line with those of its reference along n.

    The batch holds R equal parts, one per reference.
    """

    def beside(own: Tensor, reference: Tensor) -> Tensor:
        parts = own.unflatten(0, (len(reference), -1))
        return torch.cat(
            [parts, reference.unsqueeze(1).expand(-1, parts.shape[1], -1, -1, -1, -1)], dim=-2
        ).flatten(0, 1)

    keys, values = (beside(a, b) for a, b in zip(own, reference, strict=True))
    return keys, values


class SKAttention(nn.Module):
    """Base of the SK attention modules.

    Subclasses define `line_attentions` (row, column) and one `norm` and one positional `table` for both.
    """

    norm: nn.Module
    table: nn.Module
    proj: nn.Module

    def line_attentions(self) -> tuple[Attention, Attention]:
        raise NotImplementedError

    def attend(self, x: Tensor, reference: ReferenceKV | None = None) -> Tensor:
        """Attend along rows, then along columns: x (B, C, H, W) -> (B, C, H, W).

        With a reference, every line of x also attends to the same line of the reference. Queries come from x
        alone: the official code discards the reference half of the result, so it is not computed here.
        """
        row_attention, column_attention = self.line_attentions()
        x = rearrange(x, "b c h w -> b h w c")
        places = reference and reference.places
        x = self._along(x, row_attention, reference and reference.rows, places and places[0])
        x = rearrange(x, "b h w c -> b w h c")
        x = self._along(x, column_attention, reference and reference.columns, places and places[1])
        return rearrange(x, "b w h c -> b c h w")

    def _along(
        self, x: Tensor, attention: Attention, reference: KeysValues | None, places: Tensor | None
    ) -> Tensor:
        """Run one attention along the second to last axis of x (B, lines, n, C)."""
        own = (
            self.table(x.shape[-2], x)
            if places is None
            else places.repeat_interleave(len(x) // len(places), dim=0)
        )
        x = self.norm(x + own)
        keys_values = attention.keys_values(x)
        if reference:
            keys_values = _beside(keys_values, reference)
        return attention(x, keys_values)

    def project(self, reference: Tensor) -> ReferenceKV:
        """Project the reference (R, C, H, W) to keys and values. Its positions follow those of the target."""
        lines = (rearrange(reference, "r c h w -> r h w c"), rearrange(reference, "r c h w -> r w h c"))
        return ReferenceKV(*(self._project_lines(x, a) for x, a in zip(lines, self.line_attentions())))

    def of_parts(self, reference_kv: ReferenceKV, parts: Sequence[Area], like: Tensor) -> ReferenceKV:
        """Select the reference lines that targets which show a part of the picture attend to.

        parts: one per reference.
        """

        def lines(keys_values: KeysValues, starts: Sequence[int], count: int) -> KeysValues:
            keys, values = (
                torch.stack([t[r, start : start + count] for r, start in enumerate(starts)])
                for t in keys_values
            )
            return keys, values

        def places(length: int, starts: Sequence[int], count: int) -> Tensor:
            table = self.table(length, like)
            return torch.stack([table[start : start + count] for start in starts])[:, None]

        tops, lefts, (height, width, *_) = (
            [part.top for part in parts],
            [part.left for part in parts],
            parts[0],
        )
        whole_height, whole_width = reference_kv.rows[0].shape[1], reference_kv.columns[0].shape[1]
        return ReferenceKV(
            lines(reference_kv.rows, tops, height),
            lines(reference_kv.columns, lefts, width),
            (places(whole_width, lefts, width), places(whole_height, tops, height)),
        )

    def _project_lines(self, x: Tensor, attention: Attention) -> KeysValues:
        length = x.shape[-2]
        return attention.keys_values(self.norm(x + self.table(2 * length, x)[length:]))


class SKReferenceAttention(SKAttention):
    """Reference attention of v1 to v4, and of v5 with a LinearTable.

    Returns h + proj(SK attention of h with the reference).
    """

    def __init__(self, dim: int, table_length: int = 128, operations=nn):
        super().__init__()
        self.pos_embed = SinusoidalTable(dim, table_length)
        self._build(dim, operations)

    def _build(self, dim: int, operations) -> None:
        self.attn1 = Attention(dim, operations=operations)
        self.attn2 = Attention(dim, operations=operations)
        self.norm = operations.LayerNorm(dim)
        self.proj = conv3x3(dim, dim, operations=operations)

    @property
    def table(self) -> nn.Module:
        return self.pos_embed

    def line_attentions(self):
        return self.attn1, self.attn2

    def forward(self, h: Tensor, reference: ReferenceKV) -> Tensor:
        """h (B, C, H, W) -> (B, C, H, W).

        reference: from `project`; its entry k belongs to part k of R equal parts of h.
        """
        return self.proj(self.attend(h, reference)).add_(h)


class SKReferenceAttentionV5(SKReferenceAttention):
    """Reference attention of v5, with the positional table in halves.

    The official column table is 2W long, which is right only if H = W; here it is 2H long.
    """

    def __init__(self, dim: int, embedding_dim: int = 1280, operations=nn):
        nn.Module.__init__(self)
        self._build(dim, operations)
        self.linear_table = LinearTable(dim)
        self.time_emb_proj = operations.Linear(
            embedding_dim, dim
        )  # in the checkpoint; the official forward never uses it

    @property
    def table(self) -> nn.Module:
        return self.linear_table


class STKAttention(SKAttention):
    """Building block of v5: conv_in, SK attention, proj, with or without the residual.

    Officially named STKAttentionV5.
    """

    def __init__(self, dim: int, mid: int | None = None, operations=nn):
        super().__init__()
        mid = mid or dim
        self.conv_in = conv3x3(dim, mid, operations=operations)
        self.attnx = Attention(mid, operations=operations)
        self.attny = Attention(mid, operations=operations)
        self.norm = operations.LayerNorm(mid)
        self.proj = conv3x3(mid, dim, operations=operations)
        self.table = LinearTable(mid)

    def line_attentions(self):
        return self.attnx, self.attny

    def project(self, reference: Tensor) -> ReferenceKV:
        return super().project(self.conv_in(reference))

    def forward(self, x: Tensor, reference: ReferenceKV | None = None, residual: bool = True) -> Tensor:
        """x (B, C, H, W) -> (B, C, H, W)."""
        y = self.proj(self.attend(self.conv_in(x), reference))
        return y.add_(x) if residual else y


class STKReferenceModule(nn.Module):
    """Reference module of v5b and v5c, in which the reference first attends to itself.

    That step depends on the reference alone, so `project` includes it.
    """

    def __init__(self, dim: int, operations=nn):
        super().__init__()
        self.attn_ref = STKAttention(dim, operations=operations)
        self.attn = STKAttention(dim, operations=operations)

    def project(self, reference: Tensor) -> ReferenceKV:
        """Apply self-attention to the reference (R, C, H, W), then project it to keys and values."""
        return self.attn.project(self.attn_ref(reference, residual=False))

    def of_parts(self, reference_kv: ReferenceKV, parts: Sequence[Area], like: Tensor) -> ReferenceKV:
        """See `SKAttention`."""
        return self.attn.of_parts(reference_kv, parts, like)

    def forward(self, h: Tensor, reference: ReferenceKV) -> Tensor:
        """h (B, C, H, W) -> (B, C, H, W).

        reference: from `project`; its entry k belongs to part k of R equal parts of h.
        """
        return self.attn(h, reference)


def attend_tokens(
    x: Tensor, attention: Attention, norm: nn.Module, table: nn.Module, tokens: KeysValues
) -> Tensor:
    """Add the positional table to x (B, lines, n, C) and attend to
    K and V (B, h, m, d) of the picture's tokens.

    All lines of a picture attend to the same tokens, so they are processed as one sequence.
    """
    queries = norm(x + table(x.shape[-2], x))
    return attention(queries.flatten(1, 2), tokens).unflatten(1, x.shape[1:3])


class SKCrossAttention(nn.Module):
    """Block of the v1-v3 drive encoders: halves the picture, then
    rows and columns attend to the expression tokens.
    """

    def __init__(
        self,
        in_channels: int,
        dim: int,
        context_dim: int,
        table_length: int,
        hidden_length: int,
        operations=nn,
    ):
        super().__init__()
        self.conv = ResidualDown(in_channels, dim, operations)
        self.pos_embed = SinusoidalTable(dim, table_length)
        self.pos_embed_hidden = SinusoidalTable(context_dim, hidden_length)
        self.norm1 = operations.LayerNorm(dim)
        self.attn1 = Attention(dim, context_dim, operations=operations)
        self.norm2 = operations.LayerNorm(dim)
        self.attn2 = Attention(dim, context_dim, operations=operations)
        self.ff = FeedForward(dim, 2 * dim, operations)
        self.proj = conv3x3(dim, dim, operations=operations)

    def forward(self, x: Tensor, tokens: Tensor) -> Tensor:
        """x (B, C', H, W), tokens (B, m, D) -> (B, C, H/2, W/2), which is both
        the output feature and the next block's input.
        """
        tokens = tokens + self.pos_embed_hidden(tokens.shape[-2], tokens)
        x = rearrange(self.conv(x), "b c h w -> b h w c")
        x = attend_tokens(x, self.attn1, self.norm1, self.pos_embed, self.attn1.keys_values(tokens))
        x = rearrange(x, "b h w c -> b w h c")
        x = attend_tokens(x, self.attn2, self.norm2, self.pos_embed, self.attn2.keys_values(tokens))
        return self.proj(rearrange(self.ff(x), "b w h c -> b c h w"))


class STKCrossAttention(nn.Module):
    """Block of the v4 and v5 base encoders: as SKCrossAttention, at one
    resolution and with one norm used three times.

    table_lengths: lengths of v4's sinusoidal tables in the checkpoint
    (picture, tokens); None = v5's tables in halves.
    """

    def __init__(
        self,
        dim: int,
        context_dim: int,
        table_lengths: tuple[int, int] | None = None,
        mid: int | None = None,
        operations=nn,
    ):
        super().__init__()
        mid = mid or dim
        self.conv_in = conv3x3(dim, mid, operations=operations)
        if table_lengths:
            self.pos_embed = SinusoidalTable(mid, table_lengths[0])
            self.pos_embed_hidden = SinusoidalTable(context_dim, table_lengths[1])
        else:
            self.pos_embed, self.pos_embed_hidden = LinearTable(mid), LinearTable(context_dim)
        self.norm = operations.LayerNorm(mid)
        self.attn1 = Attention(mid, context_dim, operations=operations)
        self.attn2 = Attention(mid, context_dim, operations=operations)
        self.ff = FeedForward(mid, 16 * mid, operations)
        self.proj = conv3x3(mid, dim, operations=operations)

    def forward(self, x: Tensor, tokens: Tensor) -> Tensor:
        """x (B, C, H, W), tokens (B, m, D) -> (B, C, H, W)."""
        tokens = tokens + self.pos_embed_hidden(tokens.shape[-2], tokens)
        x = rearrange(self.conv_in(x), "b c h w -> b h w c")
        x = attend_tokens(x, self.attn1, self.norm, self.pos_embed, self.attn1.keys_values(tokens))
        x = rearrange(x, "b h w c -> b w h c")
        x = attend_tokens(x, self.attn2, self.norm, self.pos_embed, self.attn2.keys_values(tokens))
        return self.proj(rearrange(self.norm(self.ff(x)), "b w h c -> b c h w"))
