"""S-Face pictures (section 3.3): the driving face on black at its place in the
frame, once whole and once only eyes and mouth.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

# Distance from the face's centre, in units of its longer side.
LEFT, TOP, RIGHT, BOTTOM = 1.35, 1.25, 1.35, 1.45
PATCH = 64 / 512  # half the side of a patch, as a fraction of the width of the face's box


@dataclass(frozen=True)
class Faces:
    """Position of the face in each of F frames, pixels.

    found:   (F,) bool
    box:     (F, 4) x0 y0 x1 y1 of the landmarks, chin to brow
    centres: (F, 3, 2) x y of the eye on the right of the picture, the eye on its left, the mouth
    """

    found: np.ndarray
    box: np.ndarray
    centres: np.ndarray


@dataclass(frozen=True)
class Crops:
    """Crop regions in whole pixels: box (F, 4) x0 y0 x1 y1 of the whole face; centre (F, 3, 2) and half side
    (F, 2) of the eye and mouth patches.

    In a frame without a face box and half are 0, and both pictures are black.
    """

    box: np.ndarray
    centre: np.ndarray
    half: np.ndarray

    def whole(self, frame: Tensor, k: int) -> Tensor:
        """Return the face of frame k (H, W, 3) on black."""
        return _on_black(frame, [self.box[k]])

    def local(self, frame: Tensor, k: int) -> Tensor:
        """Return eyes and mouth of frame k (H, W, 3) on black."""
        return _on_black(
            frame, [(*(centre - self.half[k]), *(centre + self.half[k])) for centre in self.centre[k]]
        )


def crops(faces: Faces, size: tuple[int, int]) -> Crops:
    """Return the official crop regions for frames of (width, height): a square 2.7 times the face, clipped
    to the frame; patches extend an eighth of the clipped box to each side of each centre.
    """
    low, high = faces.box[:, :2], faces.box[:, 2:]
    centre, length = (low + high) / 2, (high - low).max(1, keepdims=True)
    # Truncated towards zero before it is clipped, as in the official code.
    box = np.concatenate([centre - length * (LEFT, TOP), centre + length * (RIGHT, BOTTOM)], 1).astype(
        np.int64
    )
    box = np.clip(box, 0, (*size, *size)) * faces.found[:, None]
    half = ((box[:, 2:] - box[:, :2]) * PATCH).astype(np.int64)
    return Crops(box, np.rint(faces.centres).astype(np.int64), half)


def _on_black(frame: Tensor, boxes) -> Tensor:
    picture = torch.zeros_like(frame)
    for x0, y0, x1, y1 in boxes:
        inside = slice(max(y0, 0), max(y1, 0)), slice(max(x0, 0), max(x1, 0))
        picture[inside] = frame[inside]
    return picture
