"""Exact widening: every channel becomes r equal neighbours, and no output changes (Net2Net, arXiv 1511.05641,
with all channels alike).

Converts a file of a tiny model to the shapes of a wide network. The axes to grow, and their factors, are read
from the two shapes: an axis that is no channel (latents, text, timestep sinusoid, tokens) is equal in both
and stays. Tables can grow only if they are in the
checkpoint: v5 computes its tables from the width, so v5 cannot be widened.
"""

from __future__ import annotations

import math
from collections.abc import Container, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from ...errors import SKPortraitError

Shapes = Mapping[str, tuple[int, ...]]


@dataclass(eq=False)
class WideningError(SKPortraitError, ValueError):
    """A tensor of a narrow file does not fit the wide shapes."""

    key: str


def widened(narrow: Mapping[str, Tensor], shapes: Shapes, silent: Container[str] = ()) -> dict[str, Tensor]:
    """Return the tensors of a tiny model at `shapes` (name -> shape).

    silent: tensors that the tiny model may lack; they are set to zero, so their layer adds nothing

    Raises WideningError if a tensor is missing or foreign, or a width is no multiple of the narrow one.
    """
    if foreign := sorted(narrow.keys() - shapes.keys()):
        raise WideningError(
            f"{foreign[0]!r} (and {len(foreign) - 1} more) of the tiny model is not in the wide one.",
            foreign[0],
        )
    wide = {}
    for key, shape in shapes.items():
        if key in narrow:
            wide[key] = _grow(key, narrow[key], tuple(shape))
        elif key in silent:
            wide[key] = torch.zeros(shape)
        else:
            raise WideningError(f"The tiny model lacks {key!r}.", key)
    return wide


def _grow(key: str, tensor: Tensor, shape: tuple[int, ...]) -> Tensor:
    if tensor.dim() != len(shape) or any(wide % narrow for wide, narrow in zip(shape, tensor.shape)):
        raise WideningError(
            f"{key!r} is of shape {tuple(tensor.shape)} and cannot be widened to {shape}: each width must be a multiple.",
            key,
        )
    times = [wide // narrow for wide, narrow in zip(shape, tensor.shape)]
    for axis, r in enumerate(times):
        tensor = tensor.repeat_interleave(r, axis) if r > 1 else tensor
    if key.endswith(".pe") or len(shape) < 2:
        return tensor  # tables, biases and norms have one value per channel and are not summed over channels
    tensor = tensor / times[1]
    # A dot product of heads grows with their width, and the attention's scale falls with its root.
    return tensor / math.sqrt(times[0]) if key.endswith("to_q.weight") else tensor
