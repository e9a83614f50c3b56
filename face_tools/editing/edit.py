"""Changes to a whole track: smoothing without lag, and the expression of one track over the head pose of another."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from ..geometry import wrapped
from ..track import FaceTrack, TrackError
from .timeline import rows_at, unique_notes

NARROWEST = 0.1  # rows: of a narrower Gaussian the next row has less than a part in 10^10


def smooth(track: FaceTrack, pose: float = 0.0, expression: float = 0.0, landmarks: float = 0.0) -> FaceTrack:
    """Smooth head pose (rotation, translation), coefficients and landmarks (with box) apart; each width in rows, 0 is off."""
    changes: dict[str, np.ndarray] = {}
    if pose > 0:
        rotation = np.unwrap(track.rotation.astype(np.float64), axis=0)
        changes["rotation"] = wrapped(smooth_rows(rotation, pose)).astype(np.float32)
        changes["translation"] = smooth_rows(track.translation, pose).astype(np.float32)
    if expression > 0 and track.coefficients is not None:
        changes["coefficients"] = smooth_rows(track.coefficients, expression).clip(0, 1).astype(np.float32)
    if landmarks > 0:
        changes["landmarks"] = smooth_rows(track.landmarks, landmarks).astype(np.float32)
        changes["box"] = smooth_rows(track.box, landmarks).astype(np.float32)
    return track.replace(**changes)


def smooth_rows(values: np.ndarray, width: float) -> np.ndarray:
    """(F, ...) -> the same shape: at each row the value of a parabola fitted to the rows round it, weighted by a Gaussian.

    Symmetric, so nothing lags; a parabola keeps the height of a peak such as a blink better than an average does; at the ends
    the fit uses the rows that are there. A width below NARROWEST gives the rows themselves.
    """
    if width < NARROWEST:
        return values.copy()
    rows = values.reshape(len(values), -1).astype(np.float64)
    reach = int(np.ceil(3 * width))
    out = np.empty_like(rows)
    for k in range(len(rows)):
        left, right = min(reach, k), min(reach, len(rows) - 1 - k)
        out[k] = _weights(left, right, width) @ rows[k - left : k + right + 1]
    return out.reshape(values.shape)


@lru_cache(maxsize=512)
def _weights(left: int, right: int, width: float) -> np.ndarray:
    """(left + right + 1,) weights that give the fitted value at row 0 of rows -left..right."""
    x = np.arange(-left, right + 1) / width
    root = np.exp(-x * x / 4)
    powers = x[:, None] ** np.arange(min(3, len(x)))
    return np.linalg.pinv(powers * root[:, None])[0] * root


def merge_expression(
    pose: FaceTrack, expression: FaceTrack, strength: float = 1.0, add: bool = False
) -> FaceTrack:
    """The head, landmarks and length of `pose` with the coefficients that `expression` has at the same time.

    strength: 0 keeps the coefficients of `pose` (none count as 0), 1 takes those of `expression`
    add:      add strength * expression instead; the sum stays in 0..1
    A one-row expression (a preset) holds throughout; any other must last as long as `pose`, up to one of its rows.
    Raises TrackError where it does not, or has no coefficients.
    """
    if expression.coefficients is None:
        raise TrackError(f"The expression track from {expression.source} has no expression coefficients.")
    positions = np.arange(len(pose)) * expression.fps / pose.fps
    if len(expression) > 1 and positions[-1] > len(expression) + 1e-6:
        raise TrackError(
            f"The expression track from {expression.source} lasts {len(expression) / expression.fps:.2f} s, the head pose from "
            f"{pose.source} {len(pose) / pose.fps:.2f} s: Retime Track loops, slows or trims either of them."
        )
    taken = rows_at(expression, positions)
    own = np.zeros_like(taken.coefficients) if pose.coefficients is None else pose.coefficients
    mixed = own * (1 if add else 1 - strength) + strength * taken.coefficients
    note = f"The expression coefficients come from {expression.source}."
    return pose.replace(
        coefficients=mixed.clip(0, 1).astype(np.float32),
        valid=pose.valid & taken.valid,
        notes=unique_notes(pose, expression, more=(note,)),
    )
