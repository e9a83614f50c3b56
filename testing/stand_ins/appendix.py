"""Synthetic networks of the paper's appendix A, at the width of the synthetic checkpoint.

All pictures made with them are noise.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from ...sk_attention.appendix import metadata
from ...sk_attention.appendix.cross import (
    EMBEDDING,
    FACE_TOKENS,
    NAMES,
    FaceIDAdapter,
    SKCrossAdapter,
    TextAdapter,
)
from ...sk_attention.published_files import REFERENCE, Shapes, find_part
from ..rule import fill
from .networks import SALT, sizes
from .shapes import CONTEXT, WIDTH

CONTROL = "controlnet_sk_canny.safetensors"
PERSON = "synthetic_person.npy"  # a saved face embedding


def _shapes(kind: type[SKCrossAdapter], *sizes: int, **lengths: int) -> Shapes:
    with torch.device("meta"):
        network = kind(dict.fromkeys(NAMES.values(), WIDTH), *sizes, **lengths)
    return Shapes.of(network.state_dict())


# Name that `python run.py train` gives to a file -> function that returns its shapes.
FILES = {
    "ipadapter_sk_faceid.safetensors": lambda: _shapes(FaceIDAdapter, EMBEDDING, hidden_length=FACE_TOKENS),
    "sk_text.safetensors": lambda: _shapes(TextAdapter, CONTEXT),
}


def write_control(path: Path) -> None:
    """Save a ControlNetSK, which is recognised by its metadata."""
    part = find_part(REFERENCE, "v1")
    network = fill(part.build(sizes(part)), SALT, CONTROL)
    save_file(network.state_dict(), path, metadata.of_control("canny"))


def write_person(path: Path) -> None:
    """Save a random face embedding of length 1."""
    numbers = torch.randn(EMBEDDING, generator=torch.Generator().manual_seed(0))
    np.save(path, torch.nn.functional.normalize(numbers, dim=0).numpy())
