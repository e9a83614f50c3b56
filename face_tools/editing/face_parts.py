"""The parts of a face that can be taken from another track, and their ARKit coefficients."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..coefficients import ARKIT_51
from ..track_errors import TrackError

# Part -> beginnings of its coefficients' names. Each of the 51 belongs to exactly one part. The eyes include
# the gaze and the raised cheeks; the mouth includes the nose and the puffed cheeks.
PARTS = {
    "mouth": ("jaw", "mouth", "cheekPuff", "noseSneer"),
    "eyes": ("eye", "cheekSquint"),
    "brows": ("brow",),
}


def coefficients_of(part: str) -> tuple[str, ...]:
    """Return the ARKit names of a part, in the order of ARKIT_51."""
    return tuple(name for name in ARKIT_51 if name.startswith(PARTS[part]))


def ratios(parts: Mapping[str, float]) -> np.ndarray:
    """(51,) float64: the ratio of each coefficient's part, 1 for parts that are not given.

    Raises TrackError for an unknown part.
    """
    if unknown := parts.keys() - PARTS.keys():
        raise TrackError(
            f"A face has no part {', '.join(sorted(unknown))}: its parts are {', '.join(PARTS)}."
        )
    values = np.ones(len(ARKIT_51))
    for part, ratio in parts.items():
        values[[ARKIT_51.index(name) for name in coefficients_of(part)]] = ratio
    return values
