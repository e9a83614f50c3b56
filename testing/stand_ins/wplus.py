"""Synthetic W+ files in the official formats, at the width of the synthetic checkpoint.

All pictures made with them are noise.
"""

from __future__ import annotations

import torch

from ...systems.wplus.adapter import PLACES, WPlus
from ...systems.wplus.adapter import WIDTH as CODE
from .shapes import CONTEXT, WIDTH, Shapes


def adapter(width: int = WIDTH, context: int = CONTEXT) -> Shapes:
    """Shapes of wplus_adapter.bin with flat names."""
    with torch.device("meta"):
        network = WPlus(context, [width] * len(PLACES))
    return {key: tuple(value.shape) for key, value in network.state_dict().items()}


def direction() -> Shapes:
    """Shapes of a direction of InterFaceGAN."""
    return {"direction": (1, CODE)}


# Official name -> function that returns its shapes.
FILES = {"wplus_adapter.bin": adapter, "smile.pt": direction, "age.pt": direction}
