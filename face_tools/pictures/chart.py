"""Draws charts of curves over the frames of a clip with OpenCV."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..opencv import cv2

# RGB. Frames in which the face was not detected are marked in orange.
NOT_DETECTED, INK, PAPER, GRID = (255, 140, 0), (40, 40, 40), (252, 252, 252), (225, 225, 225)
# Okabe and Ito's colours, which colour-blind readers can distinguish. Further curves repeat them, dashed.
CURVES = (
    (0, 114, 178), (213, 94, 0), (0, 158, 115), (204, 121, 167), (86, 180, 233), (230, 159, 0), (0, 0, 0),
)  # fmt: skip
FINE = 2  # a chart is drawn larger by this factor and averaged down
Area = tuple[int, int, int, int]  # x0 y0 x1 y1


def blank(size: tuple[int, int]) -> np.ndarray:
    """Return an empty canvas for a chart of (width, height)."""
    return np.full((size[1] * FINE, size[0] * FINE, 3), PAPER, np.uint8)


def averaged(canvas: np.ndarray) -> np.ndarray:
    """Return the finished chart, averaged down from the canvas."""
    height, width = canvas.shape[:2]
    return cv2.resize(canvas, (width // FINE, height // FINE), interpolation=cv2.INTER_AREA)


def panel(
    canvas: np.ndarray,
    area: Area,
    valid: np.ndarray,
    labels: Sequence[str],
    values: Sequence[np.ndarray],
    span: tuple[float, float],
    title: str,
) -> None:
    """Draw curves `values` (n, F) within `area`, with a legend to its right.

    Bands mark frames in which `valid` (F,) is False.
    """
    x0, y0, x1, y1 = area
    count = len(valid)
    for first, last in runs(~valid):
        left, right = (int(_column(area, count, k)) for k in (first - 0.5, last + 0.5))
        band = canvas[y0:y1, max(left, x0) : min(max(right, left + FINE), x1)]
        band[:] = (0.75 * band + 0.25 * np.array(NOT_DETECTED)).astype(np.uint8)
        cv2.line(canvas, (max(left, x0), y0), (min(right, x1), y0), NOT_DETECTED, 4 * FINE)
    low, high = span
    for value in np.linspace(low, high, 5):
        y = int(round(y1 - (value - low) / (high - low) * (y1 - y0)))
        cv2.line(canvas, (x0, y), (x1, y), GRID if value else INK, FINE)
        text(canvas, f"{value:g}", (x0 - 40 * FINE, y + 4 * FINE), INK, FINE, halo=False)
    text(canvas, title, (x0, y0 - 8 * FINE), INK, FINE, halo=False)
    columns = _column(area, count, np.arange(count))
    for i, row in enumerate(values):
        colour = CURVES[i % len(CURVES)]
        curve = np.stack([columns, y1 - (row.clip(low, high) - low) / (high - low) * (y1 - y0)], axis=1)
        if len(curve) == 1:
            cv2.circle(canvas, *fixed(curve[0]), shifted(4 * FINE), colour, cv2.FILLED, cv2.LINE_AA, BITS)
        else:
            pieces = [curve] if i < len(CURVES) else [curve[j : j + 3] for j in range(0, len(curve), 4)]
            cv2.polylines(canvas, [fixed(p)[0] for p in pieces], False, colour, 2 * FINE, cv2.LINE_AA, BITS)
    legend(canvas, (x1 + 8 * FINE, y0 + 10 * FINE), labels)


def legend(canvas: np.ndarray, at: tuple[int, int], labels: Sequence[str]) -> None:
    """Draw the colour and name of each curve, one below the other, from the point `at`."""
    x, y = at
    for i, label in enumerate(labels):
        below = y + 18 * i * FINE
        cv2.line(canvas, (x, below), (x + 14 * FINE, below), CURVES[i % len(CURVES)], 3 * FINE, cv2.LINE_AA)
        text(canvas, label, (x + 19 * FINE, below + 4 * FINE), INK, FINE, halo=False)


def time_axis(canvas: np.ndarray, area: Area, count: int) -> None:
    """Draw frame numbers below `area`."""
    y1 = area[3]
    step = next(s * 10**p for p in range(7) for s in (1, 2, 5) if count / (s * 10**p) <= 12)
    for k in range(0, count, step):
        x = int(_column(area, count, k))
        cv2.line(canvas, (x, y1), (x, y1 + 4 * FINE), INK, FINE)
        text(canvas, str(k), (x - 4 * FINE * len(str(k)), y1 + 16 * FINE), INK, FINE, halo=False)


def _column(area, count: int, k):
    """x of frame k: the frames are spread over the panel's width."""
    x0, _, x1, _ = area
    return x0 + (np.asarray(k, np.float64) + 0.5) / count * (x1 - x0)


def runs(mask: np.ndarray) -> list[tuple[int, int]]:
    """First and last index of each run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(int), [0]])))
    return [(int(a), int(b) - 1) for a, b in zip(edges[::2], edges[1::2])]


BITS = 4  # OpenCV takes points in 1/16 pixel


def shifted(length: float) -> int:
    """Convert a length to 1/16 pixel."""
    return int(round(length * (1 << BITS)))


def fixed(points: np.ndarray) -> tuple:
    """Convert one point, or an array of points, to 1/16 pixel;
    returns a tuple with that one argument for OpenCV.

    The centre of pixel 0 is at 0.
    """
    fixed = np.round(np.clip(np.asarray(points, np.float64), -30000, 30000) * (1 << BITS)).astype(np.int32)
    return (tuple(map(int, fixed)),) if fixed.ndim == 1 else (fixed,)


def text(picture, words: str, at, colour, thin: int, halo: bool = True) -> None:
    """Write words with their lower left corner at the point `at`; halo: with a dark outline."""
    # Clipped, because OpenCV takes C integers.
    at = tuple(int(np.clip(round(float(c)), -30000, 30000)) for c in at)
    font = cv2.FONT_HERSHEY_SIMPLEX
    if halo:
        cv2.putText(picture, words, at, font, 0.42 * thin, (0, 0, 0), 3 * thin, cv2.LINE_AA)
    cv2.putText(picture, words, at, font, 0.42 * thin, colour, thin, cv2.LINE_AA)
