"""Edits of a whole track: smoothing without lag, and combining the
expression of one track with the head pose of another.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType

import numpy as np

from ..geometry import wrapped
from ..track import FaceTrack
from ..track_errors import NoCoefficientsError, TrackSettingError
from ..trackers.straight_look import alike
from .face_parts import ratios
from .timeline import rows_at, unique_notes

NARROWEST = 0.1  # frames: with a narrower Gaussian the weight of the next frame is below 10^-10


def smooth(track: FaceTrack, pose: float = 0.0, expression: float = 0.0, landmarks: float = 0.0) -> FaceTrack:
    """Smooth head pose (rotation, translation), coefficients, and landmarks (with box) separately.

    Each width is in frames, 0 = off.
    """
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
    """Smooth (F, ...) -> the same shape: each value comes from a parabola fitted to
    the frames around it, weighted by a Gaussian.

    width: standard deviation in frames; below NARROWEST the values are returned unchanged. The filter is
    symmetric, so it has no lag. A parabola preserves the height of a peak such as a blink better than an
    average does. At the ends the fit uses the existing frames.
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
    """(left + right + 1,) weights that give the fitted value at frame 0 of frames -left..right."""
    x = np.arange(-left, right + 1) / width
    root = np.exp(-x * x / 4)
    powers = x[:, None] ** np.arange(min(3, len(x)))
    return np.linalg.pinv(powers * root[:, None])[0] * root


def merge_expression(
    pose: FaceTrack,
    expression: FaceTrack,
    strength: float = 1.0,
    add: bool = False,
    parts: Mapping[str, float] = MappingProxyType({}),
    head: float = 0.0,
) -> FaceTrack:
    """Return `pose` (head, landmarks, length) with the coefficients that `expression` has at the same times.

    strength: 0 keeps the coefficients of `pose` (missing ones count as 0), 1 takes those of `expression`
    add:      add strength * expression instead; the sum is clipped to 0..1
    parts:    factors of strength per part of the face, see `face_parts`
    head:     0 keeps the rotation of `pose`, 1 takes that of `expression`; with `add` it is added. Landmarks
      and position are kept

    An expression of one frame (a preset) is used throughout; any other must be as long as `pose`, to within
    one of its frames. Raises TrackError if it is shorter, if it lacks the needed coefficients, or for a head
    pose from another tracker.
    """
    amounts = strength * ratios(parts)
    if expression.coefficients is None and (amounts.any() or not head):
        raise NoCoefficientsError(
            f"The expression track from {expression.source} has no expression coefficients.",
            expression.source,
        )
    positions = np.arange(len(pose)) * expression.fps / pose.fps
    if len(expression) > 1 and positions[-1] > len(expression) + 1e-6:
        raise TrackSettingError(
            f"The expression track from {expression.source} lasts {len(expression) / expression.fps:.2f} s, the head pose from "
            f"{pose.source} {len(pose) / pose.fps:.2f} s: Retime Track loops, slows or trims either of them.",
            "expression",
            len(expression) / expression.fps,
        )
    taken = rows_at(expression, positions)
    mixed = pose.replace(valid=pose.valid & taken.valid, notes=unique_notes(pose, expression))
    if taken.coefficients is not None:
        mixed = _with_coefficients(mixed, taken, amounts, add)
    return _turned(mixed, taken, head, add) if head else mixed


def _with_coefficients(pose: FaceTrack, taken: FaceTrack, amounts: np.ndarray, add: bool) -> FaceTrack:
    """Mix the coefficients of `taken` into `pose`.

    amounts: (51,) weights of `taken`; add: add them to those of `pose` instead.
    """
    assert taken.coefficients is not None
    own = np.zeros_like(taken.coefficients) if pose.coefficients is None else pose.coefficients
    kept = np.ones_like(amounts) if add else 1 - amounts
    mixed = own * kept.astype(np.float32) + amounts.astype(np.float32) * taken.coefficients
    note = f"The expression coefficients come from {taken.source}."
    notes = unique_notes(pose, more=(note,)) if amounts.any() else pose.notes
    return pose.replace(coefficients=mixed.clip(0, 1).astype(np.float32), notes=notes)


def _turned(pose: FaceTrack, taken: FaceTrack, ratio: float, add: bool) -> FaceTrack:
    """Mix the rotation of `taken` into `pose`, or add it.

    ratio: its weight; angles are interpolated along the shorter arc.

    Recordings and presets have no tracker: their angles are relative to a straight look.
    """
    if taken.scheme != "none":
        pose.require_source(taken)
    taken, notes = alike(taken, pose)
    step = taken.rotation if add else wrapped(taken.rotation - pose.rotation)
    turned = taken.rotation if ratio == 1 and not add else wrapped(pose.rotation + ratio * step)
    notes = unique_notes(pose, more=(*notes, f"The head pose comes from {taken.source}."))
    return pose.replace(rotation=turned.astype(np.float32), notes=notes)
