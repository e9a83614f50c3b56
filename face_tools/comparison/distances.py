"""Distances between two performances, per frame, with their units, ranges and sources.

APD and AED follow the convention of PIRenderer (Ren et al. 2021) that later reenactment papers use, including
HelloMeme's Table 1: the mean absolute difference of the head angles, and of the expression coefficients.
"""

from __future__ import annotations

import numpy as np

from ..track import FaceTrack


def pose_distance(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(F,) degrees, 0..180: mean absolute difference of the angles a and b (F, 3) in degrees, modulo 360."""
    return np.abs((np.asarray(a, np.float64) - b + 180) % 360 - 180).mean(-1)


def expression_distance(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(F,) 0..1: mean absolute difference of coefficients a and b (F, n)."""
    return np.abs(np.asarray(a, np.float64) - b).mean(-1)


def paper_apd(degrees: np.ndarray) -> float:
    """Convert a pose distance in degrees to APD as in the papers, radians:
    HelloMeme has 0.051 in Table 1, which is 2.9 degrees.
    """
    return float(np.radians(np.nanmean(degrees)))


def face_expression(a: FaceTrack, b: FaceTrack) -> np.ndarray:
    """(F,) 0..1, Face-Exp of X-Dyna (Table 5): mean absolute difference of landmark x and y in the cropped
    face, in sides of the crop.

    The crop is the box of the landmarks. Raises TrackError if the tracks come from different sources.
    """
    a.require_source(b)
    return np.abs(_in_box(a) - _in_box(b)).mean((1, 2))


def _in_box(track: FaceTrack) -> np.ndarray:
    """(F, P, 2) landmarks scaled to 0..1 within their box."""
    points = track.landmarks[..., :2].astype(np.float64)
    low, high = points.min(1, keepdims=True), points.max(1, keepdims=True)
    return (points - low) / np.maximum(high - low, 1e-6)
