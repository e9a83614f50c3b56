"""Synthetic W+ files in the official formats, as wide as the synthetic checkpoint. Every picture made with them is noise."""

from __future__ import annotations

import torch

from ...systems.wplus.adapter import PLACES, WPlus
from ...systems.wplus.adapter import WIDTH as CODE
from .shapes import CONTEXT, WIDTH, Shapes


def adapter(width: int = WIDTH, context: int = CONTEXT) -> Shapes:
    """wplus_adapter.bin in flat names."""
    with torch.device("meta"):
        network = WPlus(context, [width] * len(PLACES))
    return {key: tuple(value.shape) for key, value in network.state_dict().items()}


def direction() -> Shapes:
    """A direction of InterFaceGAN."""
    return {"direction": (1, CODE)}


# Official name -> its tensors.
FILES = {"wplus_adapter.bin": adapter, "smile.pt": direction, "age.pt": direction}
