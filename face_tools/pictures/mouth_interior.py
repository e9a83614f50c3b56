"""Draws the inside of an open mouth: the portrait's
own teeth if they are visible, otherwise a dark throat.
"""

from __future__ import annotations

import numpy as np

from ..contours import INNER_LOWER, INNER_UPPER, OUTER_LOWER, OUTER_UPPER
from .lips import Lips
from .warp import resample, smooth

LIPS = sorted({*OUTER_UPPER, *OUTER_LOWER})
MIDDLE = slice(3, 8)  # the middle points of a lip, without the corners
STRETCH = 1.35  # largest stretch of the portrait's own teeth; a wider opening is dark
FADE = 0.12  # fraction of the portrait's own opening over which teeth fade to dark
# Possible positions of the gap between upper and lower teeth, as fractions of the opening; the largest
# brightness of the gap, relative to the mean.
SPLITS, GAP, NO_GAP = np.linspace(0.4, 0.8, 17), 0.7, 1 - FADE
LUMA = np.array([0.299, 0.587, 0.114], np.float32)
# Throat and tongue as factors of the colour of the lips, plus a
# constant colour; largest weight of the tongue.
THROAT, TONGUE, DARKEST = (
    np.array([0.22, 0.14, 0.15], np.float32),
    np.array([0.5, 0.36, 0.38], np.float32),
    np.array([6, 2, 2], np.float32),
)
TONGUES = 0.8
SHADE, SHADE_DEPTH = 0.45, 0.5  # brightness of the rim; centimetres over which its shadow ends


class Interior:
    """The inside of the mouth of an (H, W, 3) uint8 portrait.

    landmarks: (478, 2) pixels; lips: their edges; cm: pixels per centimetre. Places inside are given by
    `down`, pixels below the upper lip, and `up`, pixels above the lower one, both (h, w).
    """

    def __init__(self, picture: np.ndarray, landmarks: np.ndarray, lips: Lips, cm: float):
        self._picture, self._landmarks, self._lips, self._cm = picture, landmarks, lips, cm

    def painted(self, down: np.ndarray, up: np.ndarray) -> np.ndarray:
        """(h, w, 3) float32: a throat in the colour of the lips with a shaded rim, and a dim tongue."""
        lips = np.median(resample(self._picture, self._landmarks[LIPS][None])[0], 0)
        tongue = TONGUES * smooth((down / np.maximum(down + up, 1e-3) - 0.45) / 0.5)[..., None]
        lit = SHADE + (1 - SHADE) * smooth(np.minimum(down, 1.5 * up) / (SHADE_DEPTH * self._cm))
        return (lips * (THROAT + tongue * (TONGUE - THROAT)) + DARKEST) * lit[..., None]

    def own(
        self, dark: np.ndarray, down: np.ndarray, up: np.ndarray, across: tuple[np.ndarray, np.ndarray]
    ) -> np.ndarray:
        """(h, w, 3) float32: the portrait's own teeth over `dark`, split into
        upper and lower teeth if the mouth opens too wide.

        across: (h, w) pixels along the mouth, in the layer above the lips and in the one below.
        """
        height = np.maximum(down + up, 1e-3)
        ratio = down / height
        along = across[0] + ratio * (across[1] - across[0])
        stretched, split = self._lips.height(along) * STRETCH, self._split()
        hanging, standing = down / stretched, np.clip(1 - up / stretched, 0, 1)
        upper = hanging < split + FADE
        shown = np.where(upper, split + FADE - hanging, standing - split) / FADE
        share = np.where(upper, hanging, standing)
        whole = height <= stretched
        share, shown = np.where(whole, ratio, share), np.where(whole, 1, smooth(shown))
        teeth = resample(self._picture, self._lips.between(along, share)).astype(np.float32)
        return dark + shown[..., None] * (teeth - dark)

    def _split(self) -> float:
        """Fraction of the opening at which upper and lower teeth part: a dark row if there is one,
        otherwise the end of the opening.
        """
        upper, lower = (self._landmarks[list(lip)][MIDDLE] for lip in (INNER_UPPER, INNER_LOWER))
        rows = upper + SPLITS[:, None, None] * (lower - upper)
        bright = (resample(self._picture, rows).astype(np.float32) @ LUMA).mean(1)
        darkest = bright.argmin()
        return float(SPLITS[darkest]) if bright[darkest] < GAP * bright.mean() else NO_GAP
