"""Draws a track: landmarks, box and head axes over the frames, and its numbers over time."""

from __future__ import annotations

import numpy as np

from ..coefficients import ARKIT_51
from ..geometry import rotation_matrix
from ..opencv import cv2
from ..track import FaceTrack
from ..track_errors import NoCoefficientsError
from ..trackers.schemes import SCHEMES
from ..trackers.tracking import ranges
from .chart import (
    BITS,
    FINE,
    INK,
    NOT_DETECTED,
    PAPER,
    averaged,
    blank,
    fixed,
    panel,
    shifted,
    text,
    time_axis,
)

ANGLES = ("pitch", "yaw", "roll")

# RGB of a detected frame; others (repeated, interpolated) are drawn in NOT_DETECTED, in both pictures.
DETECTED = (
    20,
    200,
    170,
)
AXES = ((230, 60, 60), (60, 190, 60), (70, 110, 250))  # x to the right, y up, z out of the face
LIVELIEST = 6  # number of curves drawn if none are chosen


def draw_overlay(frame: np.ndarray, track: FaceTrack, k: int) -> np.ndarray:
    """Draw frame k of the track over its picture (H, W, 3) uint8 RGB, in a copy:
    outlines, points, box, head axes, frame number.
    """
    picture = np.ascontiguousarray(frame).copy()
    height, width = picture.shape[:2]
    scale = np.array([width, height]) / track.size
    thin = max(1, round(min(width, height) / 400))
    colour = DETECTED if track.valid[k] else NOT_DETECTED
    points = track.landmarks[k, :, :2] * scale
    for point in points:
        cv2.circle(picture, *fixed(point), shifted(0.6 * thin), colour, cv2.FILLED, cv2.LINE_AA, BITS)
    for line in SCHEMES[track.scheme].outline if track.scheme in SCHEMES else ():
        cv2.polylines(picture, [fixed(points[list(line)])[0]], False, colour, thin, cv2.LINE_AA, BITS)
    low, high = track.box[k].reshape(2, 2) * scale
    cv2.rectangle(picture, fixed(low)[0], fixed(high)[0], colour, thin, cv2.LINE_AA, BITS)
    middle = (low + high) / 2
    ends = rotation_matrix(track.rotation[k])[:2].T * (1, -1) * 0.6 * max(high - low)
    # Draw the axis that points away from the viewer first.
    order = np.argsort(rotation_matrix(track.rotation[k])[2])
    for axis in order:
        tip = middle + ends[axis]
        cv2.line(picture, fixed(middle)[0], fixed(tip)[0], AXES[axis], 2 * thin, cv2.LINE_AA, BITS)
        text(picture, "xyz"[axis], tip, AXES[axis], thin)
    pitch, yaw, roll = np.rad2deg(track.rotation[k])
    words = f"{k}  pitch {pitch:+.0f}  yaw {yaw:+.0f}  roll {roll:+.0f}" + (
        "" if track.valid[k] else "  not detected"
    )
    text(picture, words, (6 * thin, height - 8 * thin), colour, thin)
    return picture


def draw_plot(
    track: FaceTrack, names: tuple[str, ...] = (), size: tuple[int, int] = (1024, 512)
) -> np.ndarray:
    """Plot coefficients (0..1) and head angles (degrees) over the frames, (height, width, 3) uint8 RGB.

    names: coefficients and angles; empty = the most variable coefficients and all angles

    Orange bands mark frames without a detected face. Raises TrackError
    for coefficients that the track does not have.
    """
    width, height = size
    names = names or lively(track) + ANGLES
    shapes, angles = [n for n in names if n not in ANGLES], [n for n in names if n in ANGLES]
    if shapes and track.coefficients is None:
        raise NoCoefficientsError(
            f"The track from {track.source} has no expression coefficients, so {', '.join(shapes)} cannot be drawn.",
            track.source,
        )
    canvas = blank(size)
    panels = []
    if track.coefficients is not None and shapes:
        values = np.stack([track.coefficients[:, ARKIT_51.index(n)] for n in shapes])
        panels.append((shapes, values, (0.0, 1.0), "coefficients"))
    if angles:
        degrees = np.rad2deg(np.unwrap(track.rotation, axis=0)).T[[ANGLES.index(n) for n in angles]]
        reach = max(20.0, np.ceil(np.abs(degrees).max() / 20) * 20)
        panels.append((angles, degrees, (-reach, reach), "degrees"))
    top, foot = 26 * FINE, 42 * FINE
    share = (height * FINE - top - foot - (len(panels) - 1) * top) // len(panels)
    for row, (labels, values, span, unit) in enumerate(panels):
        y = top + row * (share + top)
        area = (46 * FINE, y, width * FINE - 150 * FINE, y + share)
        panel(canvas, area, track.valid, labels, values, span, unit)
    time_axis(canvas, area, len(track))
    text(canvas, _caption(track)[:150], (area[0], area[3] + 36 * FINE), INK, FINE, halo=False)
    return averaged(canvas)


def draw_sheet(overlays: list[np.ndarray], plot: np.ndarray) -> np.ndarray:
    """Place a few frames side by side above the plot, at the plot's width: (H, W, 3) uint8 RGB."""
    width = plot.shape[1] // len(overlays)
    tops = []
    for picture in overlays:
        scale = min(width / picture.shape[1], plot.shape[0] / picture.shape[0])
        small = cv2.resize(
            picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        )
        tops.append(small)
    height = max(len(top) for top in tops)
    row = np.full((height, plot.shape[1], 3), PAPER, np.uint8)
    for k, top in enumerate(tops):
        left = k * width + (width - top.shape[1]) // 2
        row[: len(top), left : left + top.shape[1]] = top
    return np.concatenate([row, plot])


def lively(track: FaceTrack) -> tuple[str, ...]:
    """The coefficients that vary most over the track, or the largest ones
    of a single frame; empty if the track has none.
    """
    if track.coefficients is None:
        return ()
    amount = np.ptp(track.coefficients, axis=0) if len(track) > 1 else track.coefficients[0]
    return tuple(ARKIT_51[i] for i in np.argsort(-amount, kind="stable")[:LIVELIEST])


def _caption(track: FaceTrack) -> str:
    not_detected = ranges(np.flatnonzero(~track.valid))
    return f"frame ({track.fps:g} per second), {track.source}" + (
        f"; not detected: {not_detected}" if not_detected else ""
    )
