"""Can this answer be right? A tracker that slips says so with landmarks that are no head, or with a pose that they do not show."""

from __future__ import annotations

import numpy as np

from ..geometry import rotation_matrix, wrapped
from .faces import Face
from .head_pose import misfit
from .schemes import scheme_of

# On three people turned in steps of 15 degrees and on a turned talking head, FaceMesh missed the rigid head by 0.12 to 0.37 cm where
# its roll was right within 3 degrees, by 0.33 to 1.9 cm where it was not; none of the wrong ones below 0.39 cm stood upright.
HEAD_CM, TILT, PICTURE = 0.5, np.radians(75), np.radians(30)
SURE, LOOK_AGAIN, POSSIBLE = 0.66, 0.99, 1.0
FLAT = 0.35  # cosine of the yaw below which the eye line is too short to say anything
JUMP, INSTANT = np.radians(50), 0.25  # no head turns there and back by so much within so many seconds


def doubt(face: Face, scheme: str) -> float:
    """How little a face that was seen in a picture can be believed: up to SURE it is right, from POSSIBLE on it is no measurement.

    The larger of how far the head pose is off what the picture shows, and how far solid landmarks are off a head. A tilted face is
    worth another look, in the picture turned; without a better answer it stands only where all else is sure.
    """
    wrong = _off_the_picture(face, scheme) / PICTURE
    if scheme == "mediapipe478":
        wrong = max(wrong, misfit(face.landmarks) / HEAD_CM)
    tilt = abs(float(face.rotation[2])) / TILT
    return max(wrong, tilt if wrong >= SURE else min(tilt, LOOK_AGAIN))


def _off_the_picture(face: Face, scheme: str) -> float:
    """Radians between the head pose's roll and that of the eye line; pi where the mouth lies above the eyes of the head."""
    _, left_eye, right_eye, right_mouth, left_mouth = (face.landmarks[k, :2] * (1, -1) for k in scheme_of(scheme).parts)
    head = rotation_matrix(face.rotation)[:2]  # columns: where the head's x, y and z point in the picture, y up
    down = (left_mouth + right_mouth - left_eye - right_eye) @ -head[:, 1]
    if down < 0 and np.linalg.norm(head[:, 1]) > FLAT:
        return np.pi
    if np.linalg.norm(head[:, 0]) < FLAT:
        return 0.0
    x, y = right_eye - left_eye
    return float(abs(wrapped(np.arctan2(y, x) - np.arctan2(head[1, 0], head[0, 0]))))


def lone_jumps(rotation: np.ndarray, frames: np.ndarray, fps: float) -> np.ndarray:
    """(M,) True for rows (M, 3) at `frames` (M,) whose head is turned from the row before and the row after, which agree."""
    lone = np.zeros(len(rotation), bool)
    if len(rotation) < 3:
        return lone
    heads = rotation_matrix(rotation)
    step, across = _between(heads[1:], heads[:-1]), _between(heads[2:], heads[:-2])
    near = (frames[2:] - frames[:-2]) / fps <= INSTANT
    lone[1:-1] = near & (np.minimum(step[1:], step[:-1]) > JUMP) & (across < JUMP)
    return lone


def _between(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(N,) radians from one rotation (N, 3, 3) to another."""
    return np.arccos(np.clip((np.einsum("nij,nij->n", a, b) - 1) / 2, -1, 1))
