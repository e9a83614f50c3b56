"""Head rotation and translation from landmarks, in the camera convention of the official 3DMM.

Camera: x right, y up, looking along -z. Positive pitch: the nose goes down. Positive yaw:
the nose goes to the right of the picture (the subject turns to their left). Positive roll:
the head leans counter-clockwise in the picture.

Rotation 0 is the template of `template.py` seen from the front. A straight look is tilted relative to it;
`straight_look` removes this tilt from the finished track. One unit is one metre; translation z is negative.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..geometry import rotation_angles, similarity
from ..track_errors import SchemeError
from .template import RIGID_CM, RIGID_POINTS

# -5 / -0.4 * 386.2879122887948: the official focal length in pixels of a 512 px picture, 6 degrees field of
# view, nearly orthographic.
FOCAL_512 = 4828.598903609935

# Eye corners are fixed to bone; the jaw and the skin of the forehead move with speech and brows.
_STEADY, _LOOSE = {33, 133, 263, 362}, {132, 361, 136, 365, 10, 54, 284, 67, 297}
_WEIGHTS = np.array([6.0 if point in _STEADY else 0.3 if point in _LOOSE else 1.0 for point in RIGID_POINTS])


def focal_length(size: tuple[int, int]) -> float:
    """Focal length in pixels of a (width, height) picture: 4828.6 px if its shorter side is 512 px."""
    return FOCAL_512 * min(size) / 512


class Pose(NamedTuple):
    """Head pose of one face.

    rotation:    (3,) float32 radians (pitch, yaw, roll)
    translation: (3,) float32
    misfit:      centimetres (weighted root mean square) between the landmarks and the rigid head
    """

    rotation: np.ndarray
    translation: np.ndarray
    misfit: float


def solve(landmarks: np.ndarray, scheme: str, size: tuple[int, int]) -> Pose:
    """Compute the head pose of one face from its (P, 3) landmarks in a (width, height) picture.

    Uses a weighted similarity fit of 33 rigid points in x, y and z. Under weak perspective the position of
    the face in the picture does not affect its rotation. With a lens model it would (a field of view of 63
    degrees adds 6 degrees of false pitch off the centre).
    """
    if scheme != "mediapipe478" or landmarks.shape[-1] != 3:
        raise SchemeError(
            f"Head pose needs three-dimensional mediapipe478 landmarks, got {landmarks.shape[-1]}D {scheme}.",
            scheme,
        )
    width, height = size
    camera = _in_camera(landmarks) - [width / 2, -height / 2, 0.0]
    pixels_per_cm, rotation, shift = similarity(RIGID_CM, camera, _WEIGHTS)
    apart = (camera - shift) @ rotation / pixels_per_cm - RIGID_CM
    metres = 1 / (100 * pixels_per_cm)
    translation = [shift[0] * metres, shift[1] * metres, -focal_length(size) * metres]
    misfit = float(np.sqrt(_WEIGHTS @ (apart**2).sum(1) / _WEIGHTS.sum()))
    return Pose(rotation_angles(rotation).astype(np.float32), np.array(translation, np.float32), misfit)


def _in_camera(landmarks: np.ndarray) -> np.ndarray:
    """(33, 3) rigid points of (478, 3) landmarks, pixels, with y up and z towards the viewer."""
    return landmarks[list(RIGID_POINTS)] * [1.0, -1.0, -1.0]


def move_translation(
    translation: np.ndarray,
    scale: float | np.ndarray,
    centre: tuple[float, float] | np.ndarray,
    size: tuple[int, int],
    new_size: tuple[int, int],
) -> np.ndarray:
    """Convert a translation (..., 3) in a (width, height) picture to another picture of the same scene.

    scale: pixels of the new picture per pixel of the old one; centre: position of the new picture's centre in
    the old one. The official crop-to-frame rule is the special case of equal focal lengths: tz' = scale*tz,
    tx' = tx + (new centre offset).
    """
    x, y, z = np.moveaxis(np.asarray(translation, np.float64), -1, 0)
    metres = -z / focal_length(size)  # metres per pixel at the depth of the face
    x = x + (size[0] / 2 - centre[0]) * metres
    y = y - (size[1] / 2 - centre[1]) * metres
    return np.stack([x, y, z * focal_length(new_size) / (focal_length(size) * scale)], -1).astype(np.float32)
