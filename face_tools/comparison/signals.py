"""Signals in which faults are detected: shaking, steps of the landmarks,
and values that differ from their neighbourhood.
"""

from __future__ import annotations

import numpy as np

from ..geometry import wrapped
from ..track import FaceTrack

REACH = 8  # number of frames before and after a value that form its neighbourhood


def shake(track: FaceTrack, at: np.ndarray) -> float:
    """Degrees: median second difference of the head angles, mean over the three,
    where three consecutive frames are in `at` (F,).
    """
    if len(track) < 3:
        return 0.0
    step = wrapped(np.diff(track.rotation.astype(np.float64), axis=0))
    whole = at[2:] & at[1:-1] & at[:-2]
    second = np.degrees(np.abs(np.diff(step, axis=0)))[whole]
    return float(np.median(second, axis=0).mean()) if len(second) else 0.0


def neighbourhood(values: np.ndarray) -> np.ndarray:
    """(N,) median of up to 8 values before and after each value, without the value itself."""
    around = [np.r_[values[max(k - REACH, 0) : k], values[k + 1 : k + 1 + REACH]] for k in range(len(values))]
    return np.array([np.median(rows) if len(rows) else values[k] for k, rows in enumerate(around)])


def over_neighbours(values: np.ndarray) -> np.ndarray:
    """(N,) each value divided by the median of its neighbourhood."""
    return values / np.maximum(neighbourhood(values), 1e-6)


def steps(track: FaceTrack) -> np.ndarray:
    """(F - 1,) mean distance that the landmarks move between neighbouring frames, in face sizes; without
    landmarks, of the head angles in radians.
    """
    if track.landmarks.shape[1]:
        points = track.landmarks[..., :2].astype(np.float64)
        size = np.sqrt(np.maximum(np.prod(track.box[:, 2:] - track.box[:, :2], axis=1), 1.0))
        return np.linalg.norm(np.diff(points, axis=0), axis=-1).mean(1) / size[1:]
    return np.abs(wrapped(np.diff(track.rotation.astype(np.float64), axis=0))).mean(1)


def runs(mask: np.ndarray) -> list[tuple[int, int]]:
    """First and last index of each run of True."""
    edges = np.flatnonzero(np.diff(np.r_[0, mask.astype(int), 0]))
    return [(int(a), int(b) - 1) for a, b in zip(edges[::2], edges[1::2])]
