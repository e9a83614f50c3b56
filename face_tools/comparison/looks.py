"""Aligns faces to upright pictures of 112 pixels, and compares such pictures roughly without a network."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from ..geometry import similarity_matrix
from ..opencv import cv2
from ..track import FaceTrack
from ..trackers.schemes import scheme_of

SIDE = 112
# Positions of pupils, nose tip and mouth corners in the aligned face that ArcFace was trained on
# (InsightFace, arcface_src).
TEMPLATE = np.array(
    [(38.2946, 51.6963), (73.5318, 51.5014), (56.0252, 71.7366), (41.5493, 92.3655), (70.7299, 92.2041)]
)
ABRUPT = 0.75  # likeness of neighbouring frames below which the clip is split
TWO_PEOPLE = 0.7  # likeness below which two faces are different people: true for 90 of 91 pairs of real clips
VIEWS = 256  # most views of one person, so that memory does not grow with the square of the length
CHIP = 24  # side of the picture that is compared: shapes and colours without detail


def aligned_face(frame: np.ndarray, landmarks: np.ndarray, scheme: str) -> np.ndarray:
    """Return the face upright as ArcFace expects it, (112, 112, 3) uint8. frame: (H, W, 3) uint8;
    landmarks: (P, 2+) pixels.
    """
    matrix = similarity_matrix(landmarks[list(scheme_of(scheme).motion), :2].astype(np.float64), TEMPLATE)
    scale = float(np.hypot(*matrix[0, :2]))
    if scale < 0.5:  # shrink first, to avoid aliasing
        frame = cv2.resize(frame, None, fx=2 * scale, fy=2 * scale, interpolation=cv2.INTER_AREA)
        matrix = matrix * [[1 / (2 * scale), 1 / (2 * scale), 1]]
    return cv2.warpAffine(frame, matrix, (SIDE, SIDE), borderMode=cv2.BORDER_REPLICATE)


def chip(face: np.ndarray) -> np.ndarray:
    """(1728,) float32 of length 1: an aligned face at 24 pixels minus its mean; zeros if it is uniform."""
    small = cv2.resize(face, (CHIP, CHIP), interpolation=cv2.INTER_AREA).astype(np.float32).ravel()
    small -= small.mean()
    return small / max(float(np.linalg.norm(small)), 1e-6)


def chips(frames: Iterable[np.ndarray], track: FaceTrack) -> np.ndarray:
    """(F, 1728): `chip` of each frame of a track with landmarks."""
    return np.stack(
        [chip(aligned_face(frame, points, track.scheme)) for frame, points in zip(frames, track.landmarks)]
    )


def cosine(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(F,) cosine similarity, -1..1, of vectors a (F, n) and b, (n,) or (F, n)."""
    lengths = np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1)
    return (a * b).sum(-1) / np.maximum(lengths, 1e-9)


def likeness_to_most(vectors: np.ndarray) -> np.ndarray:
    """(F,) likeness, -1..1, of each face to the most similar view of the person shown most of the time.

    The clip is split where neighbouring faces differ abruptly (turning heads change slowly), and parts that
    resemble each other are joined. The group with the most frames is the reference. On 14 real clips, the
    likeness of neighbouring frames of one person is 0.6 to 1, and that of two people is below 0.7.
    """
    part = np.r_[0, np.cumsum(cosine(vectors[1:], vectors[:-1]) < ABRUPT)]
    alike = np.stack([_nearest(vectors, vectors[part == number]) for number in range(part[-1] + 1)])
    near = np.stack([alike[:, part == number].max(1) for number in range(part[-1] + 1)], 1) >= TWO_PEOPLE
    person = _joined(near)[:, part]
    most = person[person.sum(1).argmax()]
    return _nearest(vectors, vectors[most])


def _nearest(vectors: np.ndarray, views: np.ndarray) -> np.ndarray:
    """(F,) likeness of each vector to the nearest of at most 256 evenly sampled views."""
    return (vectors @ views[:: -(-len(views) // VIEWS)].T).max(1)


def _joined(near: np.ndarray) -> np.ndarray:
    """(N, N) bool: which parts are connected, directly or
    through others, by the relation `near` (N, N) bool.
    """
    reached = near | near.T
    for _ in range(len(near).bit_length()):
        reached = (reached.astype(int) @ reached) > 0
    return reached
