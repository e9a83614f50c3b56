"""Draws a comparison: the curves of driver and result, and a contact sheet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ..opencv import cv2
from ..pictures.chart import FINE, INK, PAPER, averaged, blank, fixed, legend, panel, text, time_axis
from ..pictures.preview import DETECTED, draw_overlay
from ..track import FaceTrack
from ..trackers.schemes import SCHEMES
from .compare import Comparison
from .curves import CURVES

COLUMNS = 3  # columns of panels
# Margins: of the plot, below, left and right of a panel.
HEAD, FOOT, LEFT, RIGHT = (
    64 * FINE,
    46 * FINE,
    50 * FINE,
    14 * FINE,
)
CELL, BAR = 224, 26  # pixels: side of a picture in the contact sheet, height of a line of text
ASKED = (255, 140, 0)  # colour of the driver's outline over the result's
Pictures = Mapping[int, np.ndarray]  # frame number -> (H, W, 3) uint8


def draw_curves(comparison: Comparison, size: tuple[int, int] = (1200, 800)) -> np.ndarray:
    """(height, width, 3) uint8 RGB: each curve of the driver and of the
    result; bands mark frames with a missed detection.
    """
    canvas = blank(size)
    rows = -(-len(CURVES) // COLUMNS)
    wide, tall = size[0] * FINE // COLUMNS, (size[1] * FINE - HEAD) // rows
    for number, name in enumerate(CURVES):
        row, column = divmod(number, COLUMNS)
        x, y = column * wide, HEAD + row * tall
        _draw_curve(canvas, (x + LEFT, y, x + wide - RIGHT, y + tall - FOOT), comparison, name)
    legend(canvas, (LEFT, 12 * FINE), ("driver", "result"))
    return averaged(canvas)


def draw_sheet(
    comparison: Comparison,
    frames: list[int],
    results: Pictures,
    drivers: Pictures | None,
    portrait: np.ndarray | None,
    title: str = "",
) -> np.ndarray:
    """(H, W, 3) uint8 RGB, one row of pictures per frame: portrait (if given), driver, result, difference.

    Without pictures of the driver its track is drawn, and the
    difference shows both outlines, the driver's in orange.
    """
    names = (
        ("driver", "result", "difference")
        if portrait is None
        else ("portrait", "driver", "result", "difference")
    )
    lines = [_line([f"{title}  {summary(comparison)}".strip()], len(names)), _line(names, len(names))]
    for k in frames:
        driver = _drawn(comparison.evidence.driver, k) if drivers is None else drivers[k]
        cells = [results[k], _difference(comparison, k, results[k], None if drivers is None else driver)]
        cells = [driver, *cells] if portrait is None else [portrait, driver, *cells]
        lines += [
            np.concatenate([_fitted(cell) for cell in cells], 1),
            _line([_words(comparison, k)], len(cells)),
        ]
    return np.concatenate(lines)


def summary(comparison: Comparison) -> str:
    """Return the main figures in one line."""
    parts = [f"pose {comparison.pose_distance:.1f} deg"]
    if comparison.names:
        parts.append(f"expression {comparison.expression_distance:.3f}")
    jaw, identity = comparison.correlations["jaw"], comparison.identity
    parts += [
        f"{word} {value:.2f}"
        for word, value in (("jaw r", jaw), ("identity", identity))
        if not np.isnan(value)
    ]
    parts.append(f"faults {len(comparison.faults)}")
    return ", ".join(parts)


def shown_frames(comparison: Comparison, count: int = 5) -> list[int]:
    """Ascending frame numbers for a contact sheet: the worst frames, and others evenly spaced."""
    worst = [int(k) for k in comparison.worst[: (count + 1) // 2]]
    spread = [int(k) for k in np.linspace(0, len(comparison.pose) - 1, count).round()]
    return sorted(list(dict.fromkeys(worst + spread))[:count])


def _draw_curve(canvas, area, comparison: Comparison, name: str) -> None:
    evidence, curve = comparison.evidence, CURVES[name]
    both = [values for track in (evidence.driver, evidence.result) if (values := curve.of(track)) is not None]
    low, high = _reach(both, curve.angle is not None, bool(curve.minus))
    r = comparison.correlations[name]
    told = "" if np.isnan(r) else f", correlation {r:.2f}"
    panel(canvas, area, evidence.at, (), both, (low, high), f"{name}, {curve.unit}{told}")
    time_axis(canvas, area, len(evidence.at))


def _reach(values: list[np.ndarray], degrees: bool, signed: bool) -> tuple[float, float]:
    if degrees:
        reach = max(20.0, float(np.ceil(max(np.abs(row).max() for row in values) / 20) * 20))
        return -reach, reach
    return (-1.0, 1.0) if signed else (0.0, 1.0)


def _line(words: Sequence[str], cells: int) -> np.ndarray:
    """Draw a line of text, each word at the left of its column."""
    bar = np.full((BAR, cells * CELL, 3), PAPER, np.uint8)
    for number, word in enumerate(words):
        text(bar, word, (6 + number * CELL, BAR - 8), INK, 1, halo=False)
    return bar


def _words(comparison: Comparison, k: int) -> str:
    if not comparison.evidence.at[k]:
        return f"frame {k}: no face"
    expression = f", expression {comparison.expression[k]:.3f}" if comparison.names else ""
    return f"frame {k}: pose {comparison.pose[k]:.1f} degrees{expression}"


def _drawn(track: FaceTrack, k: int) -> np.ndarray:
    width, height = track.size
    return draw_overlay(np.zeros((height, width, 3), np.uint8), track, k)


def _difference(comparison: Comparison, k: int, result: np.ndarray, driver: np.ndarray | None) -> np.ndarray:
    if driver is None:
        return _outlines(comparison, k)
    height, width = result.shape[:2]
    other = (
        driver
        if driver.shape == result.shape
        else cv2.resize(driver, (width, height), interpolation=cv2.INTER_AREA)
    )
    return cv2.absdiff(np.ascontiguousarray(result), np.ascontiguousarray(other))


def _outlines(comparison: Comparison, k: int) -> np.ndarray:
    """Outlines of both faces, each scaled from its own frame size."""
    picture = np.zeros((CELL, CELL, 3), np.uint8)
    for track, colour in ((comparison.evidence.driver, ASKED), (comparison.evidence.result, DETECTED)):
        scale = CELL / np.array(track.size)
        points = track.landmarks[k, :, :2] * scale
        for line in SCHEMES[track.scheme].outline if track.scheme in SCHEMES else ():
            cv2.polylines(picture, [fixed(points[list(line)])[0]], False, colour, 1, cv2.LINE_AA, 4)
    return picture


def _fitted(picture: np.ndarray) -> np.ndarray:
    """Fit the whole picture into a square of CELL pixels."""
    height, width = picture.shape[:2]
    scale = CELL / max(height, width)
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    small = cv2.resize(
        picture, (max(1, round(width * scale)), max(1, round(height * scale))), interpolation=method
    )
    cell = np.full((CELL, CELL, 3), PAPER, np.uint8)
    y, x = (CELL - small.shape[0]) // 2, (CELL - small.shape[1]) // 2
    cell[y : y + small.shape[0], x : x + small.shape[1]] = small
    return cell
