"""Deterministic random weights without a file (tests/golden/README.md): the same numbers on every machine."""

from __future__ import annotations

import math
import zlib

import numpy as np
import torch
from torch import nn


def draw(salt: str, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Standard normal float32 numbers, seeded by the CRC-32 of "salt/name"."""
    seed = zlib.crc32(f"{salt}/{name}".encode())
    return np.random.default_rng(seed).standard_normal(tuple(shape), dtype=np.float32)


def rule_tensor(salt: str, prefix: str, key: str, shape: tuple[int, ...]) -> np.ndarray:
    """Return the float32 tensor called `key` of the case `prefix`.

    Tensors with two or more dimensions are divided by the root of the fan-in. A one-dimensional `...weight`
    (a norm's gain) is centred at 1, any other one-dimensional tensor at 0.
    """
    noise = draw(salt, f"{prefix}/{key}", shape)
    if noise.ndim >= 2:
        return (noise / math.sqrt(math.prod(noise.shape[1:]))).astype(np.float32)
    return (1 + noise / 10 if key.endswith("weight") else noise / 10).astype(np.float32)


def fill(network: nn.Module, salt: str, prefix: str) -> nn.Module:
    """Fill every parameter of a network with deterministic random weights; buffers keep their values.

    For inference.
    """
    values = {
        key: torch.from_numpy(rule_tensor(salt, prefix, key, tuple(p.shape)))
        for key, p in network.named_parameters()
    }
    network.load_state_dict(values, strict=False)
    return network.eval().requires_grad_(False)
