"""A decoded frame as a player shows it: turned, mirrored, its pixels square."""

from __future__ import annotations

import av
import cv2
import numpy as np
from av.sidedata.sidedata import SideDataContainer, Type

WIDEST = 8.0  # no real pixel is wider than this, or as much higher


def shown(frame: av.VideoFrame, pixel_aspect: float) -> np.ndarray:
    """(H, W, 3) uint8 RGB; pixel_aspect: width of the stored pixels over their height, 0 where the file does not say.

    As players do, the shorter side of a pixel is stretched, so nothing is lost, and what the file asks for is done afterwards. A
    stretched side is even, as encoders of videos want it.
    """
    picture = frame.to_ndarray(format="rgb24")
    height, width = picture.shape[:2]
    if 1 < pixel_aspect <= WIDEST:
        picture = cv2.resize(picture, (_even(width * pixel_aspect), height), interpolation=cv2.INTER_CUBIC)
    elif 1 / WIDEST <= pixel_aspect < 1:
        picture = cv2.resize(picture, (width, _even(height / pixel_aspect)), interpolation=cv2.INTER_CUBIC)
    return np.ascontiguousarray(_oriented(picture, _display_matrix(frame)))


def _even(length: float) -> int:
    return 2 * max(1, round(length / 2))


def _oriented(picture: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """The picture by the file's (2, 2) matrix: (x, y) of a stored pixel, as a row, times it is its shown place. Quarter turns only."""
    if abs(matrix[0, 1]) > abs(matrix[0, 0]):
        picture, matrix = picture.swapaxes(0, 1), matrix[::-1]
    x, y = np.sign(np.diag(matrix)).astype(int)
    return picture[:: y or 1, :: x or 1]


def _display_matrix(frame: av.VideoFrame) -> np.ndarray:
    """(2, 2) part of the 3x3 matrix, of 32-bit integers, that phones and editors write.

    frame.side_data would keep frame and data in a circle, and hundreds of frames wait for Python to find such circles.
    """
    data = SideDataContainer(frame).get(Type.DISPLAYMATRIX)
    return np.eye(2) if data is None else np.frombuffer(bytes(data), np.int32).reshape(3, 3)[:2, :2].astype(float)
