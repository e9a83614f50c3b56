"""Plausibility checks of a tracker's result: whether the head pose fits the
landmarks, and whether a head can move that fast.
"""

from __future__ import annotations

import numpy as np

from ..geometry import rotation_matrix, wrapped
from .faces import Face
from .schemes import scheme_of

TILT, PICTURE = np.radians(75), np.radians(30)
SURE, LOOK_AGAIN, POSSIBLE = 0.66, 0.99, 1.0
FLAT = 0.35  # cosine of the yaw below which the eye line is too short to be used
# No head turns by that much and back within that many seconds. Between neighbouring frames of 34 real clips a
# head turned by 33 degrees at most; an upside-down result turns it by 169 or more.
JUMP, INSTANT = np.radians(50), 0.25


def doubt(face: Face, scheme: str) -> float:
    """Disagreement of the head pose with the landmarks: up to SURE it fits, from POSSIBLE on it contradicts.

    HelloMeme's networks measure pose and landmarks separately; MediaPipe's pose is computed from the
    landmarks, so it always fits. The shape of the face is not used: correct results on narrow faces differ
    more from an average head than wrong results do. A tilted head causes a second detection in the rotated
    picture; it is no contradiction.
    """
    wrong = _off_the_picture(face, scheme) / PICTURE if scheme == "hello222" else 0.0
    tilt = abs(face.roll) / TILT
    return max(wrong, tilt if wrong >= SURE else min(tilt, LOOK_AGAIN))


def _off_the_picture(face: Face, scheme: str) -> float:
    """Radians between the head pose's roll and that of the eye line;
    pi if the mouth is above the eyes of the head.
    """
    _, left_eye, right_eye, right_mouth, left_mouth = (
        face.landmarks[k, :2] * (1, -1) for k in scheme_of(scheme).parts
    )
    # Columns: directions of the head's x, y and z in the picture, y up.
    head = rotation_matrix(face.angles)[:2]
    down = (left_mouth + right_mouth - left_eye - right_eye) @ -head[:, 1]
    if down < 0 and np.linalg.norm(head[:, 1]) > FLAT:
        return np.pi
    if np.linalg.norm(head[:, 0]) < FLAT:
        return 0.0
    x, y = right_eye - left_eye
    return float(abs(wrapped(np.arctan2(y, x) - np.arctan2(head[1, 0], head[0, 0]))))


def lone_jumps(rotation: np.ndarray, frames: np.ndarray, fps: float) -> np.ndarray:
    """(M,) bool: rotations (M, 3) at `frames` (M,) that differ from those
    before and after, which agree with each other.
    """
    lone = np.zeros(len(rotation), bool)
    if len(rotation) < 3:
        return lone
    heads = rotation_matrix(rotation)
    step, across = _between(heads[1:], heads[:-1]), _between(heads[2:], heads[:-2])
    near = (frames[2:] - frames[:-2]) / fps <= INSTANT
    lone[1:-1] = near & (np.minimum(step[1:], step[:-1]) > JUMP) & (across < JUMP)
    return lone


def _between(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(N,) radians between the rotations a and b (N, 3, 3)."""
    return np.arccos(np.clip((np.einsum("nij,nij->n", a, b) - 1) / 2, -1, 1))
