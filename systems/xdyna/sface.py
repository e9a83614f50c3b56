"""S-Face pictures (section 3.3): the driver's face on black, once whole and once eyes and mouth only, in their places in the frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

LEFT, TOP, RIGHT, BOTTOM = 1.35, 1.25, 1.35, 1.45  # from the face's centre, in units of its longer side
PATCH = 64 / 512  # half a patch over the face's box


@dataclass(frozen=True)
class Faces:
    """Where a clip's faces are, pixels.

    found:   (F,) bool
    box:     (F, 4) x0 y0 x1 y1 of the landmarks, chin to brow
    centres: (F, 3, 2) x y of the eye on the right of the picture, the eye on its left, the mouth
    """

    found: np.ndarray
    box: np.ndarray
    centres: np.ndarray


@dataclass(frozen=True)
class Crops:
    """What is cut, whole pixels: box (F, 4) x0 y0 x1 y1 of the whole face, centre (F, 3, 2) and half (F, 2) of the patches. Without
    a face box and half are 0 and both pictures are black."""

    box: np.ndarray
    centre: np.ndarray
    half: np.ndarray

    def whole(self, frame: Tensor, k: int) -> Tensor:
        """The face of frame k (H, W, 3) on black."""
        return _on_black(frame, [self.box[k]])

    def local(self, frame: Tensor, k: int) -> Tensor:
        """Eyes and mouth of frame k (H, W, 3) on black."""
        return _on_black(
            frame, [(*(centre - self.half[k]), *(centre + self.half[k])) for centre in self.centre[k]]
        )


def crops(faces: Faces, size: tuple[int, int]) -> Crops:
    """The published boxes in frames of (width, height): a square 2.7 times the face, cut off at the frame's border, and patches an
    eighth of what is left of it to either side of each centre."""
    low, high = faces.box[:, :2], faces.box[:, 2:]
    centre, length = (low + high) / 2, (high - low).max(1, keepdims=True)
    # Truncated towards zero before it is cut off, as the official code does.
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
