"""Reads and writes the files of FaceIDAdapter and TextAdapter.

Sizes are read from the tensors, as for the official files.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import torch
from torch import Tensor, nn

from ...unet.networks.strict_load import fill
from ..published_files import CheckpointError, Shapes
from .cross import NAMES, FaceIDAdapter, SKCrossAdapter, TextAdapter

Adapter = TypeVar("Adapter", bound=SKCrossAdapter)

KINDS = {FaceIDAdapter: "IPAdapterSK FaceID", TextAdapter: "SK text attention"}


def load_cross(
    kind: type[Adapter],
    state: Mapping[str, Tensor],
    file: str,
    operations=nn,
    dtype: torch.dtype | None = None,
) -> Adapter:
    """Build the network of a state dict.

    Raises CheckpointError if the file is of another kind, or if a tensor
    is missing, foreign, misshapen or not finite.
    """
    shapes = Shapes.of(state)
    names = [
        name for name in NAMES.values() if any(key.startswith(f"{kind.family}.{name}.") for key in shapes)
    ]
    if not names:
        first = repr(next(iter(shapes), "nothing"))
        raise CheckpointError(
            f"{file} is no {KINDS[kind]} file: no tensor is called {kind.family}.input_1... (it begins with {first}). "
            "Train one with `python run.py train`; there are no public weights.",
            file,
        )
    try:
        network = kind(*_sizes(kind.family, names, shapes), operations=operations)
    except CheckpointError as error:
        raise CheckpointError(f"{file} is a {KINDS[kind]} file, but {error}.", file) from None
    return fill(network, state, file, f"a {KINDS[kind]} file", CheckpointError, dtype)


def _sizes(family: str, names: list[str], shapes: Shapes) -> tuple[dict[str, int], int, int, int]:
    first = f"{family}.{names[0]}."
    return (
        {name: shapes.width(f"{family}.{name}.proj.weight") for name in names},
        shapes.width(f"{first}attn1.to_k.weight", 1),
        shapes.width(f"{first}pos_embed.pe", 1),
        shapes.width(f"{first}pos_embed_hidden.pe", 1),
    )
