"""Linear algebra for faces: rotations, similarity fits, and points under a 2x3 matrix."""

from __future__ import annotations

from typing import Any, overload

import numpy as np
from numpy.typing import ArrayLike


def rotation_matrix(angles: ArrayLike) -> np.ndarray:
    """Return R = Rz(roll) Ry(yaw) Rx(pitch), (..., 3, 3) for column
    vectors, from (..., 3) radians (pitch, yaw, roll).
    """
    angles = np.asarray(angles, np.float64)
    (cx, cy, cz), (sx, sy, sz) = np.moveaxis(np.cos(angles), -1, 0), np.moveaxis(np.sin(angles), -1, 0)
    rows = [
        [cz * cy, cz * sy * sx - sz * cx, cz * sy * cx + sz * sx],
        [sz * cy, sz * sy * sx + cz * cx, sz * sy * cx - cz * sx],
        [-sy, cy * sx, cy * cx],
    ]
    return np.stack([np.stack(row, -1) for row in rows], -2)


def rotation_angles(matrix: np.ndarray) -> np.ndarray:
    """Return (..., 3) angles of (..., 3, 3) rotations: the inverse of
    `rotation_matrix`, with yaw within 90 degrees.
    """
    m = np.asarray(matrix, np.float64)
    return np.stack([
        np.arctan2(m[..., 2, 1], m[..., 2, 2]),
        np.arctan2(-m[..., 2, 0], np.hypot(m[..., 0, 0], m[..., 1, 0])),
        np.arctan2(m[..., 1, 0], m[..., 0, 0]),
    ], -1)  # fmt: skip


@overload
def wrapped(angles: np.ndarray) -> np.ndarray: ...
@overload
def wrapped(angles: float | np.floating) -> float: ...
def wrapped(angles: Any) -> Any:
    """Wrap radians to -pi..pi."""
    return (angles + np.pi) % (2 * np.pi) - np.pi


def similarity(
    source: np.ndarray, target: np.ndarray, weights: np.ndarray
) -> tuple[float, np.ndarray, np.ndarray]:
    """Return scale k, rotation R (det +1) and shift t that minimise sum w |k R source
    + t - target|^2 over N points (Umeyama 1991).
    """
    u, vt, signs, scale = _procrustes(source, target, weights)
    rotation = (u * signs) @ vt
    weights = weights / weights.sum()
    return scale, rotation, weights @ target - scale * rotation @ (weights @ source)


def similarity_matrix(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return the least-squares similarity of N points in the plane as a (2, 3) matrix for cv2.warpAffine.

    For points that fit better mirrored (no face does) the result is that of
    the official code, not the least-squares one.
    """
    u, vt, signs, scale = _procrustes(source, target, np.ones(len(source)))
    linear = scale * (u @ vt) * signs
    return np.concatenate([linear, (target.mean(0) - linear @ source.mean(0))[:, None]], 1)


def _procrustes(
    source: np.ndarray, target: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Return U, V^T, the signs that prevent a reflection, and the scale."""
    weights = weights / weights.sum()
    s, t = source - weights @ source, target - weights @ target
    u, singular, vt = np.linalg.svd((t.T * weights).astype(np.float64) @ s)
    signs = np.ones(len(singular))
    signs[-1] = np.sign(np.linalg.det(u) * np.linalg.det(vt))
    return u, vt, signs, float((singular * signs).sum() / (weights @ s**2).sum())


def transform(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Transform (..., 2) points by a (2, 3) matrix."""
    return np.asarray(points, np.float64) @ matrix[:, :2].T + matrix[:, 2]


def bounding_box(points: np.ndarray) -> np.ndarray:
    """Return x0 y0 x1 y1 (..., 4) float32 of points (..., P, 2 or 3)."""
    # NumPy is several times as fast along contiguous rows.
    rows = np.ascontiguousarray(np.moveaxis(points[..., :2], -1, -2))
    return np.concatenate([rows.min(-1), rows.max(-1)], -1).astype(np.float32)
