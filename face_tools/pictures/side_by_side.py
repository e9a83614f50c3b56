"""Joins pictures of several sources side by side at equal height, each with its label."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from ...errors import EmptyClipError, SizeError
from ..opencv import cv2
from .chart import text

EVEN = 2  # pixels: encoders halve the chroma
LABEL_FROM = 256  # height in pixels at which letters have a line width of one pixel
WHITE = (255, 255, 255)
WIDEST = 16384  # largest width of one picture, pixels: encoders support no more


def even(length: float) -> int:
    """Return the nearest even number of pixels, at least 2."""
    return max(EVEN, int(round(length / EVEN)) * EVEN)


def side_by_side(pictures: Sequence[np.ndarray], height: int, labels: Sequence[str] = ()) -> np.ndarray:
    """Join (h, w, 3) uint8 pictures from left to right ->
    (height, W, 3) uint8, W even; aspect ratios are kept.

    height: even number of pixels
    labels: one per picture, ASCII, written into its lower left corner; empty = no labels
    Raises SizeError for a picture that would be wider than WIDEST.
    """
    panels = [_fitted(picture, height) for picture in pictures]
    thin = max(1, height // LABEL_FROM)
    for panel, label in zip(panels, labels):
        text(panel, label, (6 * thin, height - 8 * thin), WHITE, thin)
    return np.hstack(panels)


def held(frames: Iterable[np.ndarray], what: str) -> Iterator[np.ndarray]:
    """Yield the frames, then repeat the last one forever.

    Raises EmptyClipError that names `what` if there are none.
    """
    last = None
    for last in frames:
        yield last
    if last is None:
        raise EmptyClipError(f"frame of {what}", "connect a video or pictures with at least one.")
    while True:
        yield last


def _fitted(picture: np.ndarray, height: int) -> np.ndarray:
    """Return a copy resized to this height."""
    size = even(picture.shape[1] * height / picture.shape[0]), height
    if size[0] > WIDEST:
        shape = f"{picture.shape[1]}x{picture.shape[0]}"
        raise SizeError(
            f"A picture of {shape} px would be {size[0]} px wide at a height of {height}, and a video has {WIDEST} "
            "at most: crop it, or set a smaller height.",
            size,
        )
    if picture.shape[1::-1] == size:
        return picture.copy()
    method = cv2.INTER_AREA if height < picture.shape[0] else cv2.INTER_CUBIC
    return cv2.resize(picture, size, interpolation=method)
