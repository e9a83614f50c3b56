"""Opens a mouth: warps the picture above and below the
lips separately, and paints the inside between them.
"""

from __future__ import annotations

import numpy as np

from ..contours import INNER_LOWER, INNER_UPPER, OUTER_LOWER, OUTER_UPPER
from ..opencv import cv2
from .lips import ENDS, Frame, Lips
from .mouth_interior import Interior
from .warp import ROUNDS, Bend, folded, resample, smooth

UPPER_LIP = sorted({*OUTER_UPPER[1:-1], *INNER_UPPER[1:-1]})
CHIN = (
    18, 32, 83, 106, 140, 148, 152, 171, 175, 176, 182, 194, 199, 200, 201, 204, 208, 211, 262, 313, 335, 369,
    377, 396, 400, 406, 418, 421, 424, 428, 431,
)  # fmt: skip
LOWER_LIP_AND_CHIN = sorted({*OUTER_LOWER[1:-1], *INNER_LOWER[1:-1], *CHIN})
OPENS = 0.15  # centimetres: the lips' opening from which the picture is split
# Centimetres from the lips at which the upper layer starts to merge into
# the lower one, and over which: to nose and chin.
TO_NOSE, TO_CHIN = (0.8, 2.2), (2.5, 2.5)
SHOWS = 0.2  # centimetres between the lips from which a portrait shows the inside of its mouth
SOFT = 0.14  # centimetres of the soft edge inside the lips
APART = 0.01  # pixels by which the two maps must differ to count as different


class Mouth:
    """The mouth of an (H, W, 3) uint8 portrait. landmarks: (478, 2) pixels; cm: pixels per centimetre."""

    def __init__(self, picture: np.ndarray, landmarks: np.ndarray, cm: float):
        self._picture, self._landmarks, self._cm = picture, landmarks, cm
        self._lips = Lips(landmarks)
        self.gap = self.opening(landmarks)

    def opening(self, landmarks: np.ndarray) -> float:
        """Centimetres between the lips of (478, 2 or 3) landmarks."""
        return float(np.linalg.norm(landmarks[13, :2] - landmarks[14, :2])) / self._cm

    def carry(
        self, bend: Bend, places: np.ndarray, used: np.ndarray, points: np.ndarray, slack: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Two maps (rows, columns, 2) of places in the portrait: for the picture above the lips, and below.

        places: the map to start from; used: (M,) landmarks that constrain the warp, with (M,) slack; points:
        (478, 2) landmarks in the new picture.
        """
        above, below = np.isin(used, UPPER_LIP), np.isin(used, LOWER_LIP_AND_CHIN)
        goals, corners, points = self._landmarks[used], points[ENDS], points[used]
        upper = lower = places
        for _ in range(ROUNDS):
            offsets = goals - points
            low = bend.field(points[~above], offsets[~above], slack[~above])
            high = bend.field(points[~below], offsets[~below], slack[~below])
            high = low + self._zone(bend, corners)[..., None] * (high - low)
            share = bend.share(low, high)
            low, high = share * low, share * high
            bent = lower + bend.grid.sample(low, lower), upper + bend.grid.sample(high, upper)
            if any(folded(layer) for layer in bent):
                break
            lower, upper = bent
            moves = bend.grid.sample(low, points), bend.grid.sample(high, points)
            points = points + np.where(above[:, None], moves[1], moves[0])
            corners = corners + bend.grid.sample(low, corners)
            if share == 1:
                break
        return upper, lower

    def draw(self, upper: np.ndarray, lower: np.ndarray, opened: float) -> np.ndarray:
        """Draw (H, W, 3) uint8 from two (H, W, 2) maps into the portrait.

        opened: centimetres by which the lips part.
        """
        drawn = resample(self._picture, lower)
        differ = np.abs(upper - lower).max(-1) > APART
        x, y, width, height = cv2.boundingRect(differ.astype(np.uint8))
        part = slice(y, y + height), slice(x, x + width)
        if width:
            drawn[part] = self._layers(upper[part], lower[part], opened)
        return drawn

    def _layers(self, upper: np.ndarray, lower: np.ndarray, opened: float) -> np.ndarray:
        """Draw the part of the picture in which the two maps differ."""
        down, up = self._lips.under_upper(upper), self._lips.over_lower(lower)
        skin = resample(self._picture, np.where((down < up)[..., None], upper, lower)).astype(np.float32)
        share = smooth(np.minimum(down, up) / (SOFT * self._cm)) * min(opened / (2 * OPENS), 1.0)
        down, up = np.maximum(down, 0), np.maximum(up, 0)
        interior = Interior(self._picture, self._landmarks, self._lips, self._cm)
        inside = interior.painted(down, up)
        if self.gap > SHOWS:
            across = self._lips.frame.across(upper), self._lips.frame.across(lower)
            inside = interior.own(inside, down, up, across)
        return np.round(skin + share[..., None] * (inside - skin)).astype(np.uint8)

    def _zone(self, bend: Bend, corners: np.ndarray) -> np.ndarray:
        """(height, width) 0..1 on the bend's grid: where the layer above the lips uses its own field.

        Beside the mouth both layers use the same field, so the picture is not split there.
        """
        frame, nodes = Frame(corners), np.stack(np.meshgrid(*bend.grid.axes), -1)
        rise = -frame.below(nodes) / self._cm
        beside = np.clip(1 - (frame.across(nodes) / frame.half) ** 4, 0, 1)
        nose, chin = smooth((rise - TO_NOSE[0]) / TO_NOSE[1]), smooth((-rise - TO_CHIN[0]) / TO_CHIN[1])
        return (beside * (1 - nose) * (1 - chin)).astype(np.float32)
