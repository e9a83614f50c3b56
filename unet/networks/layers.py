"""Small layers that the HelloMeme networks share.

Parameter names are those of the official checkpoints. Every layer takes `operations`: torch.nn,
or ComfyUI's class of the same layers (comfy.ops.manual_cast), so that ComfyUI can store weights
in one dtype or device and compute in another.
"""

from __future__ import annotations

import math
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn

HEADS = 8  # attention heads of every official network


def sinusoid(positions: Tensor, frequencies: Tensor) -> tuple[Tensor, Tensor]:
    """Return sin and cos of positions (...) x frequencies (k), each (..., k), float32."""
    angle = positions.float()[..., None] * frequencies
    return angle.sin(), angle.cos()


def _interleaved(positions: Tensor, dim: int) -> Tensor:
    frequencies = torch.exp(torch.arange(0, dim, 2, device=positions.device) * (-math.log(10000.0) / dim))
    return torch.stack(sinusoid(positions, frequencies), dim=-1).flatten(-2)


class SinusoidalTable(nn.Module):
    """Interleaved table of v1-v4 (`pe` (1, L, C) in the checkpoint):
    pe[p, 2i] = sin(p w_i), pe[p, 2i+1] = cos(p w_i).

    The networks were trained with the L positions of the checkpoint. Longer inputs extend the table by the
    same formula (extrapolation); the official code supports only L positions.
    """

    pe: Tensor

    def __init__(self, dim: int, length: int):
        super().__init__()
        self.register_buffer("pe", _interleaved(torch.arange(length), dim)[None])

    @property
    def trained_length(self) -> int:
        return self.pe.shape[1]

    def forward(self, length: int, like: Tensor) -> Tensor:
        """Return the first `length` positions (length, C) in the dtype and device of `like`."""
        table = self.pe[0, :length].to(like)
        if length > self.trained_length:
            beyond = torch.arange(self.trained_length, length, device=like.device)
            table = torch.cat([table, _interleaved(beyond, table.shape[-1]).to(like)])
        return table


@lru_cache(maxsize=64)
def _linear_table(length: int, dim: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    frequencies = 10000.0 ** (-torch.arange(dim // 2) / (dim / 2))
    return torch.cat(sinusoid(torch.arange(length), frequencies), dim=-1).to(device, dtype)


class LinearTable(nn.Module):
    """Positional table of v5 in halves, [sin(p w_k) | cos(p w_k)].

    It supports any length, is not in the checkpoint, and is cached per size.
    """

    def __init__(self, dim: int):
        super().__init__()
        self.dim = dim

    def forward(self, length: int, like: Tensor) -> Tensor:
        """Return the first `length` positions (length, C) in the dtype and device of `like`."""
        return _linear_table(length, self.dim, like.device, like.dtype)


def timestep_embedding(values: Tensor, dim: int) -> Tensor:
    """values (...) -> (..., dim): [cos(x f_k) | sin(x f_k)], f_k =
    10000^(-2k/dim), float32; x may be fractional or negative.
    """
    frequencies = torch.exp(torch.arange(dim // 2, device=values.device) * (-math.log(10000.0) / (dim // 2)))
    sin, cos = sinusoid(values, frequencies)
    return torch.cat([cos, sin], dim=-1)


class TimestepMLP(nn.Module):
    """linear_1 -> SiLU -> linear_2 (diffusers' TimestepEmbedding)."""

    def __init__(self, dim: int, hidden: int, operations=nn):
        super().__init__()
        self.linear_1 = operations.Linear(dim, hidden)
        self.linear_2 = operations.Linear(hidden, hidden)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear_2(F.silu(self.linear_1(x)))


class Attention(nn.Module):
    """Multi-head attention: to_q, to_k and to_v without bias, to_out.0 with bias; no norm and no residual."""

    def __init__(self, dim: int, context_dim: int | None = None, heads: int = HEADS, operations=nn):
        super().__init__()
        context_dim = context_dim or dim
        self.heads = heads
        self.to_q = operations.Linear(dim, dim, bias=False)
        self.to_k = operations.Linear(context_dim, dim, bias=False)
        self.to_v = operations.Linear(context_dim, dim, bias=False)
        self.to_out = nn.ModuleList([operations.Linear(dim, dim)])

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(-2, -3)  # (..., n, heads d) -> (..., heads, n, d)

    def keys_values(self, context: Tensor) -> tuple[Tensor, Tensor]:
        """Project context (..., m, c) to K and V, each (..., heads, m, d)."""
        return self._split(self.to_k(context)), self._split(self.to_v(context))

    def forward(self, x: Tensor, keys_values: tuple[Tensor, Tensor] | None = None) -> Tensor:
        """Attend from x (..., n, C) to `keys_values`, None = those of x -> (..., n, C)."""
        keys, values = keys_values or self.keys_values(x)
        queries = self._split(self.to_q(x))
        lead = queries.shape[:-3]
        queries, keys, values = (t.reshape(-1, *t.shape[-3:]) for t in (queries, keys, values))
        out = F.scaled_dot_product_attention(queries, keys, values)
        return self.to_out[0](out.unflatten(0, lead).transpose(-2, -3).flatten(-2))


class GEGLU(nn.Module):
    def __init__(self, dim: int, inner: int, operations=nn):
        super().__init__()
        self.proj = operations.Linear(dim, 2 * inner)

    def forward(self, x: Tensor) -> Tensor:
        value, gate = self.proj(x).chunk(2, dim=-1)
        return value * F.gelu(gate)


class FeedForward(nn.Module):
    """Feed-forward: `net.0` is a GEGLU to `inner` channels, `net.2`
    projects back (net.1 is the dropout of training).
    """

    def __init__(self, dim: int, inner: int, operations=nn):
        super().__init__()
        self.net = nn.ModuleList(
            [GEGLU(dim, inner, operations), nn.Identity(), operations.Linear(inner, dim)]
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.net[2](self.net[0](x))


def conv3x3(
    in_channels: int, out_channels: int, stride: int = 1, bias: bool = True, operations=nn
) -> nn.Module:
    """The 3x3 convolution with padding 1 that the networks use."""
    return operations.Conv2d(in_channels, out_channels, 3, stride=stride, padding=1, bias=bias)


class ResidualDown(nn.Module):
    """ResNet basic block with stride 2: instance norm without weights, SiLU on the shortcut."""

    def __init__(self, in_channels: int, out_channels: int, operations=nn):
        super().__init__()
        self.conv1 = conv3x3(in_channels, out_channels, stride=2, bias=False, operations=operations)
        self.conv2 = conv3x3(out_channels, out_channels, bias=False, operations=operations)
        self.downsample = nn.ModuleList(
            [operations.Conv2d(in_channels, out_channels, 1, stride=2, bias=False)]
        )

    def forward(self, x: Tensor) -> Tensor:
        """x (B, C, H, W) -> (B, C', H/2, W/2)."""
        y = F.relu(F.instance_norm(self.conv1(x)))
        y = F.instance_norm(self.conv2(y))
        return F.relu(y + F.silu(F.instance_norm(self.downsample[0](x))))
