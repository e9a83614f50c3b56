"""The head-pose picture of the official drive encoders: a square
that rotates with the head, one colour per edge.
"""

from __future__ import annotations

import numpy as np

from ..geometry import rotation_matrix
from ..opencv import cv2
from ..track import FaceTrack
from ..track_errors import TrackSettingError
from ..trackers.head_pose import FOCAL_512, focal_length

# Corners of the square on the face, half its side is 5 cm.
SHRINK = 0.05
CORNERS = np.array([(-1, -1, 0), (-1, 1, 0), (1, 1, 0), (1, -1, 0)]) * SHRINK
# Corners 0-1, 1-2, 2-3, 3-0, drawn in this order.
EDGE_RGB = (
    (0, 255, 0),
    (0, 0, 255),
    (255, 0, 0),
    (255, 0, 255),
)
THICKNESS_512 = 15


def box_corners(
    rotation: np.ndarray, translation: np.ndarray, size: tuple[int, int] = (512, 512)
) -> np.ndarray:
    """(4, 2) pixels of the square's corners: bottom-left, top-left, top-right, bottom-right at rotation 0.

    z and the focal length are both multiplied by 0.05. The square has its true position and
    size, but the perspective of one that is two metres wide, as in the official code. Raises
    TrackError if a corner is not in front of the camera.
    """
    x, y, z = np.asarray(translation, np.float64)
    points = CORNERS @ rotation_matrix(rotation).T + [x, y, SHRINK * z]
    depth = -points[:, 2]
    if depth.min() <= 1e-6:
        raise TrackSettingError(
            f"The head is too near to draw its pose: at translation z = {z:.3f} a corner of the box turned by "
            f"{np.round(np.degrees(rotation), 1).tolist()} degrees lies behind the camera; z below -1 is always drawn.",
            "translation",
            float(z),
        )
    width, height = size
    focal = SHRINK * focal_length(size)
    return np.stack([width / 2 + focal * points[:, 0] / depth, height / 2 - focal * points[:, 1] / depth], -1)


def draw_box(rotation: np.ndarray, translation: np.ndarray, size: tuple[int, int] = (512, 512)) -> np.ndarray:
    """Draw the square on black, (H, W, 3) uint8 RGB."""
    canvas = np.zeros((size[1], size[0], 3), np.uint8)
    corners = [tuple(corner) for corner in box_corners(rotation, translation, size).astype(np.int32).tolist()]
    thickness = max(1, round(THICKNESS_512 * focal_length(size) / FOCAL_512))
    for k, colour in enumerate(EDGE_RGB):
        cv2.line(canvas, corners[k], corners[(k + 1) % 4], colour, thickness, cv2.LINE_8)
    return canvas


def driven_translation(
    track: FaceTrack, reference: FaceTrack | None = None, ratio: float = 0.0
) -> np.ndarray:
    """(F, 3) translations to draw: the reference's position plus `ratio`
    times the driver's movement since its first frame.

    Ratio 0 (official default) keeps the head at the reference's position. Without
    a reference the driver's first frame is used.
    """
    if reference is not None:
        reference.require_source(track)
    start = (track if reference is None else reference).translation[0]
    return start + (track.translation - track.translation[0]) * np.float32(ratio)
