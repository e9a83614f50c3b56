"""Pictures of a track: landmarks, box and head axes over the frames, and its numbers over time."""

from __future__ import annotations

import cv2
import numpy as np

from ..coefficients import ARKIT_51
from ..geometry import rotation_matrix
from ..track import FaceTrack, TrackError
from ..trackers.schemes import SCHEMES
from ..trackers.tracking import ranges

ANGLES = ("pitch", "yaw", "roll")

# RGB. A measured row is drawn in teal, a bridged one (held, interpolated) in orange, in both pictures.
MEASURED, BRIDGED, INK, PAPER, GRID = (20, 200, 170), (255, 140, 0), (40, 40, 40), (252, 252, 252), (225, 225, 225)
AXES = ((230, 60, 60), (60, 190, 60), (70, 110, 250))  # x to the right, y up, z out of the face
# Okabe and Ito's colours, which colour-blind readers tell apart; then they repeat, dashed.
CURVES = ((0, 114, 178), (213, 94, 0), (0, 158, 115), (204, 121, 167), (86, 180, 233), (230, 159, 0), (0, 0, 0))
FINE = 2  # the plot is drawn this much larger and averaged down
FONT = cv2.FONT_HERSHEY_SIMPLEX
LIVELIEST = 6  # curves drawn where nobody chose


def draw_overlay(frame: np.ndarray, track: FaceTrack, k: int) -> np.ndarray:
    """Row k of the track over its frame (H, W, 3) uint8 RGB, in a new picture: outlines, points, box, head axes, frame number."""
    picture = np.ascontiguousarray(frame).copy()
    height, width = picture.shape[:2]
    scale = np.array([width, height]) / track.size
    thin = max(1, round(min(width, height) / 400))
    colour = MEASURED if track.valid[k] else BRIDGED
    points = track.landmarks[k, :, :2] * scale
    for point in points:
        cv2.circle(picture, *_fixed(point), _shifted(0.6 * thin), colour, cv2.FILLED, cv2.LINE_AA, _BITS)
    for line in SCHEMES[track.scheme].outline if track.scheme in SCHEMES else ():
        cv2.polylines(picture, [_fixed(points[list(line)])[0]], False, colour, thin, cv2.LINE_AA, _BITS)
    low, high = track.box[k].reshape(2, 2) * scale
    cv2.rectangle(picture, _fixed(low)[0], _fixed(high)[0], colour, thin, cv2.LINE_AA, _BITS)
    middle = (low + high) / 2
    ends = rotation_matrix(track.rotation[k])[:2].T * (1, -1) * 0.6 * max(high - low)
    order = np.argsort(rotation_matrix(track.rotation[k])[2])  # the axis that points away is drawn first
    for axis in order:
        tip = middle + ends[axis]
        cv2.line(picture, _fixed(middle)[0], _fixed(tip)[0], AXES[axis], 2 * thin, cv2.LINE_AA, _BITS)
        _text(picture, "xyz"[axis], tip, AXES[axis], thin)
    pitch, yaw, roll = np.rad2deg(track.rotation[k])
    words = f"{k}  pitch {pitch:+.0f}  yaw {yaw:+.0f}  roll {roll:+.0f}" + ("" if track.valid[k] else "  bridged")
    _text(picture, words, (6 * thin, height - 8 * thin), colour, thin)
    return picture


def draw_plot(track: FaceTrack, names: tuple[str, ...] = (), size: tuple[int, int] = (1024, 512)) -> np.ndarray:
    """Chosen coefficients (0..1) and head angles (degrees) over the frames, (height, width, 3) uint8 RGB.

    names: coefficients and angles; none means the liveliest coefficients and all angles
    Orange bands stand where the face was not measured. Raises TrackError for coefficients that the track does not have.
    """
    width, height = size
    names = names or lively(track) + ANGLES
    shapes, angles = [n for n in names if n not in ANGLES], [n for n in names if n in ANGLES]
    if shapes and track.coefficients is None:
        raise TrackError(f"The track from {track.source} has no expression coefficients, so {', '.join(shapes)} cannot be drawn.")
    canvas = np.full((height * FINE, width * FINE, 3), PAPER, np.uint8)
    panels = []
    if shapes:
        panels.append((shapes, np.stack([track.coefficients[:, ARKIT_51.index(n)] for n in shapes]), (0.0, 1.0), "coefficients"))
    if angles:
        degrees = np.rad2deg(np.unwrap(track.rotation, axis=0)).T[[ANGLES.index(n) for n in angles]]
        reach = max(20.0, np.ceil(np.abs(degrees).max() / 20) * 20)
        panels.append((angles, degrees, (-reach, reach), "degrees"))
    top, foot = 26 * FINE, 42 * FINE
    share = (height * FINE - top - foot - (len(panels) - 1) * top) // len(panels)
    for row, (labels, values, span, unit) in enumerate(panels):
        y = top + row * (share + top)
        area = (46 * FINE, y, width * FINE - 150 * FINE, y + share)
        _panel(canvas, area, track, labels, values, span, unit)
    _time_axis(canvas, area, track)
    return cv2.resize(canvas, size, interpolation=cv2.INTER_AREA)


def draw_sheet(overlays: list[np.ndarray], plot: np.ndarray) -> np.ndarray:
    """A few frames side by side over the plot, as wide as the plot: (H, W, 3) uint8 RGB."""
    width = plot.shape[1] // len(overlays)
    tops = []
    for picture in overlays:
        scale = min(width / picture.shape[1], plot.shape[0] / picture.shape[0])
        small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
        tops.append(small)
    height = max(len(top) for top in tops)
    row = np.full((height, plot.shape[1], 3), PAPER, np.uint8)
    for k, top in enumerate(tops):
        left = k * width + (width - top.shape[1]) // 2
        row[: len(top), left : left + top.shape[1]] = top
    return np.concatenate([row, plot])


def lively(track: FaceTrack) -> tuple[str, ...]:
    """The coefficients that change most over the track, or that are largest where it has one row; none where it has none."""
    if track.coefficients is None:
        return ()
    amount = np.ptp(track.coefficients, axis=0) if len(track) > 1 else track.coefficients[0]
    return tuple(ARKIT_51[i] for i in np.argsort(-amount, kind="stable")[:LIVELIEST])


def _panel(canvas, area, track, labels, values, span, unit) -> None:
    x0, y0, x1, y1 = area
    for first, last in _runs(~track.valid):
        left, right = (int(_column(area, len(track), k)) for k in (first - 0.5, last + 0.5))
        band = canvas[y0:y1, max(left, x0) : min(max(right, left + FINE), x1)]
        band[:] = (0.75 * band + 0.25 * np.array(BRIDGED)).astype(np.uint8)
        cv2.line(canvas, (max(left, x0), y0), (min(right, x1), y0), BRIDGED, 4 * FINE)
    low, high = span
    for value in np.linspace(low, high, 5):
        y = int(round(y1 - (value - low) / (high - low) * (y1 - y0)))
        cv2.line(canvas, (x0, y), (x1, y), GRID if value else INK, FINE)
        _text(canvas, f"{value:g}", (6 * FINE, y + 4 * FINE), INK, FINE, halo=False)
    _text(canvas, unit, (x0, y0 - 8 * FINE), INK, FINE, halo=False)
    columns = _column(area, len(track), np.arange(len(track)))
    for i, (label, row) in enumerate(zip(labels, values)):
        colour = CURVES[i % len(CURVES)]
        curve = np.stack([columns, y1 - (row.clip(low, high) - low) / (high - low) * (y1 - y0)], axis=1)
        if len(curve) == 1:
            cv2.circle(canvas, *_fixed(curve[0]), _shifted(4 * FINE), colour, cv2.FILLED, cv2.LINE_AA, _BITS)
        else:
            pieces = [curve] if i < len(CURVES) else [curve[j : j + 3] for j in range(0, len(curve), 4)]
            cv2.polylines(canvas, [_fixed(p)[0] for p in pieces], False, colour, 2 * FINE, cv2.LINE_AA, _BITS)
        y = y0 + (10 + 18 * i) * FINE
        cv2.line(canvas, (x1 + 8 * FINE, y), (x1 + 22 * FINE, y), colour, 3 * FINE, cv2.LINE_AA)
        _text(canvas, label, (x1 + 27 * FINE, y + 4 * FINE), INK, FINE, halo=False)


def _time_axis(canvas, area, track) -> None:
    x0, _, _, y1 = area
    count = len(track)
    step = next(s * 10**p for p in range(7) for s in (1, 2, 5) if count / (s * 10**p) <= 12)
    for k in range(0, count, step):
        x = int(_column(area, count, k))
        cv2.line(canvas, (x, y1), (x, y1 + 4 * FINE), INK, FINE)
        _text(canvas, str(k), (x - 4 * FINE * len(str(k)), y1 + 16 * FINE), INK, FINE, halo=False)
    bridged = ranges(np.flatnonzero(~track.valid))
    words = f"frame ({track.fps:g} a second), {track.source}" + (f"; not measured: {bridged}" if bridged else "")
    _text(canvas, words[:150], (x0, y1 + 36 * FINE), INK, FINE, halo=False)


def _column(area, count: int, k):
    """x of frame k, frames spread over the panel's width."""
    x0, _, x1, _ = area
    return x0 + (np.asarray(k, np.float64) + 0.5) / count * (x1 - x0)


def _runs(mask: np.ndarray) -> list[tuple[int, int]]:
    """First and last index of every run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(int), [0]])))
    return [(int(a), int(b) - 1) for a, b in zip(edges[::2], edges[1::2])]


_BITS = 4  # OpenCV takes points in 1 / 16 pixel


def _shifted(length: float) -> int:
    return int(round(length * (1 << _BITS)))


def _fixed(points: np.ndarray) -> tuple:
    """A tuple that holds one point as OpenCV wants it, or an array of them, in 1 / 16 pixel; the middle of pixel 0 is 0."""
    fixed = np.round(np.clip(np.asarray(points, np.float64), -30000, 30000) * (1 << _BITS)).astype(np.int32)
    return (tuple(map(int, fixed)),) if fixed.ndim == 1 else (fixed,)


def _text(picture, words: str, at, colour, thin: int, halo: bool = True) -> None:
    at = tuple(int(np.clip(round(float(c)), -30000, 30000)) for c in at)  # OpenCV takes no more than a C int
    if halo:
        cv2.putText(picture, words, at, FONT, 0.42 * thin, (0, 0, 0), 3 * thin, cv2.LINE_AA)
    cv2.putText(picture, words, at, FONT, 0.42 * thin, colour, thin, cv2.LINE_AA)
