"""Draws a picture of each preset with a drawn head: python run.py pictures presets [--output DIR]."""

from __future__ import annotations

import cv2
import numpy as np

from ..drawn_heads import Identity, State, draw
from ..face_tools.recordings.presets import PRESETS, preset
from .doc_pictures import write

PERSON, SIDE = 11, 160


def main(argv: list[str]) -> int:
    return write({f"presets/{name.replace(' ', '_')}": picture(name) for name in PRESETS}, argv)


def picture(name: str) -> np.ndarray:
    """Return a head with the preset's expression, (SIDE, SIDE, 3) uint8 RGB."""
    state = State(coefficients=preset(name).coefficients[0])
    return cv2.resize(draw(Identity.of(PERSON), state, 3 * SIDE), (SIDE, SIDE), interpolation=cv2.INTER_AREA)
