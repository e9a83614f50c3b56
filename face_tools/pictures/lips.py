"""The inner edges of a portrait's lips, in coordinates of the mouth."""

from __future__ import annotations

import numpy as np

from ..contours import CORNERS, INNER_LOWER, INNER_UPPER

ENDS = [CORNERS["Right"], CORNERS["Left"]]


class Frame:
    """Coordinates of a mouth, pixels: `across` and `below` the midpoint of its corners (2, 2)."""

    def __init__(self, corners: np.ndarray):
        along = corners[1] - corners[0]
        self.half, self._middle = float(np.linalg.norm(along)) / 2, corners.mean(0)
        self._along = along / (2 * self.half)
        self._down = np.array([-self._along[1], self._along[0]])

    def across(self, places: np.ndarray) -> np.ndarray:
        return (places - self._middle) @ self._along

    def below(self, places: np.ndarray) -> np.ndarray:
        return (places - self._middle) @ self._down

    def places(self, across: np.ndarray, below: np.ndarray) -> np.ndarray:
        """Convert to (..., 2) pixels of the picture."""
        return self._middle + across[..., None] * self._along + below[..., None] * self._down


class Lips:
    """The inner edges of both lips of (478, 2) landmarks.

    Outside the mouth both edges continue horizontally.
    """

    def __init__(self, landmarks: np.ndarray):
        self.frame = Frame(landmarks[ENDS])
        self._upper, self._lower = (
            self._edge(landmarks[[ENDS[0], *lip, ENDS[1]]]) for lip in (INNER_UPPER, INNER_LOWER)
        )

    def under_upper(self, places: np.ndarray) -> np.ndarray:
        """Pixels by which (..., 2) places are below the edge of the upper lip, negative above it."""
        return self.frame.below(places) - np.interp(self.frame.across(places), *self._upper)

    def over_lower(self, places: np.ndarray) -> np.ndarray:
        """Pixels by which (..., 2) places are above the edge of the lower lip, negative below it."""
        return np.interp(self.frame.across(places), *self._lower) - self.frame.below(places)

    def height(self, across: np.ndarray) -> np.ndarray:
        """Pixels between the lips."""
        return np.maximum(np.interp(across, *self._lower) - np.interp(across, *self._upper), 1e-3)

    def between(self, across: np.ndarray, share: np.ndarray) -> np.ndarray:
        """(..., 2) places between the lips: on the upper lip at share 0, on the lower lip at share 1."""
        return self.frame.places(across, np.interp(across, *self._upper) + share * self.height(across))

    def _edge(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        across = self.frame.across(points)
        order = np.argsort(across)
        return across[order], self.frame.below(points)[order]
