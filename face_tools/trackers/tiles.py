"""Finds faces that a whole-frame detector misses: searches again at their last position, then in
overlapping zoomed tiles.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import ceil

import numpy as np

from .faces import Face

# BlazeFace's short-range model finds no face below a tenth of the longer
# side; tiles in a grid of n magnify by (n + 1) / 2.
GRIDS = (2, 3)
MEMORY = 8  # frames for which a face that vanished is searched at its last position
SAME = 0.3  # overlap above which two boxes are one face


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    """Intersection over union of two boxes x0 y0 x1 y1."""
    (ax0, ay0, ax1, ay1), (bx0, by0, bx1, by1) = a.tolist(), b.tolist()
    common = max(min(ax1, bx1) - max(ax0, bx0), 0.0) * max(min(ay1, by1) - max(ay0, by0), 0.0)
    areas = (ax1 - ax0) * (ay1 - ay0) + (bx1 - bx0) * (by1 - by0)
    return common / max(areas - common, 1e-9)


def tiles(width: int, height: int, grid: int) -> Iterator[tuple[int, int, int, int]]:
    """Yield windows x0 y0 x1 y1, with sides of 2 / (grid + 1) of the longer
    side, that cover the picture and overlap by half.
    """
    side = ceil(2 * max(width, height) / (grid + 1))
    for y in _starts(height, side):
        for x in _starts(width, side):
            yield x, y, min(x + side, width), min(y + side, height)


def _starts(length: int, side: int) -> np.ndarray:
    spare = max(length - side, 0)
    return np.linspace(0, spare, ceil(2 * spare / side) + 1).astype(int)


class Finder:
    """Finds faces frame by frame.

    detect: returns the faces of one picture (H, W, 3) uint8 RGB
    """

    def __init__(self, detect: Callable[[np.ndarray], list[Face]]):
        self._detect = detect
        self._seen: list[tuple[np.ndarray, int]] = []  # boxes of recent frames and their age

    def __call__(self, image: np.ndarray, faces: list[Face]) -> list[Face]:
        """Return all faces of the next frame; `faces`: those that `detect` found in the whole frame."""
        lost = [
            (box, age + 1)
            for box, age in self._seen
            if not any(overlap(box, face.box) > SAME / 3 for face in faces)
        ]
        for box, _ in lost:
            self._add(faces, self._around(image, box))
        if not faces:
            faces = self._search(image)
        found = [(face.box, 0) for face in faces]
        self._seen = found + [
            (box, age) for box, age in lost if age < MEMORY and not any(overlap(box, b) > 0 for b, _ in found)
        ]
        return faces

    def _search(self, image: np.ndarray) -> list[Face]:
        height, width = image.shape[:2]
        for grid in GRIDS:
            faces: list[Face] = []
            for window in tiles(width, height, grid):
                for face in self._inside(image, window):
                    # A tile may split a face: detect again with the face in the middle.
                    self._add(faces, self._around(image, face.box) or [face])
            if faces:
                return faces
        return []

    def _around(self, image: np.ndarray, box: np.ndarray) -> list[Face]:
        height, width = image.shape[:2]
        centre, half = (box[:2] + box[2:]) / 2, max(box[2:] - box[:2])
        x0, y0 = np.maximum(centre - half, 0).astype(int)
        x1, y1 = np.minimum(centre + half, [width, height]).astype(int)
        return self._inside(image, (x0, y0, x1, y1)) if x1 - x0 > 8 and y1 - y0 > 8 else []

    def _inside(self, image: np.ndarray, window: tuple[int, int, int, int]) -> list[Face]:
        x0, y0, x1, y1 = window
        return [face.moved(1.0, x0, y0) for face in self._detect(np.ascontiguousarray(image[y0:y1, x0:x1]))]

    @staticmethod
    def _add(faces: list[Face], more: list[Face]) -> None:
        faces.extend(new for new in more if not any(overlap(new.box, old.box) > SAME for old in faces))
