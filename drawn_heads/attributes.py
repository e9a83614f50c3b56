"""The attributes of a synthetic head as numbers, for networks that read them from pictures."""

from __future__ import annotations

import numpy as np

from .identity import BEARDS, GLASSES, HAIR_STYLES, Identity

COLOURS = ("skin", "hair", "eye", "lips")  # not shirt and background, because a head is identified by itself
CHOICES = {"style": HAIR_STYLES, "beard": BEARDS, "glasses": GLASSES}
SIZES = {
    "face_width": (0.9, 1.1), "face_height": (0.93, 1.08), "eye_size": (0.88, 1.14), "eye_spacing": (0.94, 1.06),
    "brow_thickness": (0.65, 1.45), "brow_tilt": (-1.0, 1.0), "nose_size": (0.8, 1.25), "mouth_width": (0.88, 1.16),
    "lip_fullness": (0.75, 1.35), "ear_size": (0.85, 1.25), "age": (0.0, 1.0), "freckles": (0.0, 1.0),
}  # fmt: skip
COUNT = 3 * len(COLOURS) + sum(map(len, CHOICES.values())) + len(SIZES)


def attributes(who: Identity) -> np.ndarray:
    """Return the attributes of a head, (39,) float32 0..1: colours, choices and sizes."""
    colours = [c / 255 for name in COLOURS for c in getattr(who, name)]
    choices = [float(getattr(who, name) == option) for name, options in CHOICES.items() for option in options]
    sizes = [(getattr(who, name) - low) / (high - low) for name, (low, high) in SIZES.items()]
    return np.float32(colours + choices + sizes)
