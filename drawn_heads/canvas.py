"""Antialiased drawing with OpenCV: shapes in fractional pixels, softly
tinted regions, and ellipsoids seen by the camera.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..face_tools.opencv import cv2
from .head import View
from .identity import Colour

SHIFT = 4  # OpenCV draws at 1/16 of a pixel
COARSE = 4  # pixels of the canvas per pixel of the soft light


def _fixed(points: np.ndarray) -> np.ndarray:
    return np.round(np.asarray(points) * (1 << SHIFT)).astype(np.int32)


def shade(colour: Colour, factor: float) -> Colour:
    """Return a darker (factor < 1) or lighter colour."""
    return tuple(int(np.clip(c * factor, 0, 255)) for c in colour)


def blend(a: Colour, b: Colour, share: float) -> Colour:
    return tuple(int(x + (y - x) * share) for x, y in zip(a, b))


@dataclass
class Canvas:
    """An (S, S, 3) uint8 RGB picture. scale: pixels per centimetre at the face."""

    picture: np.ndarray
    scale: float

    def polygon(self, points: np.ndarray, colour: Colour) -> None:
        cv2.fillPoly(self.picture, [_fixed(points)], colour, cv2.LINE_AA, SHIFT)

    def line(self, points: np.ndarray, colour: Colour, width: float, closed: bool = False) -> None:
        """Draw a polyline, `width` in centimetres."""
        thick = max(1, round(width * self.scale))
        cv2.polylines(self.picture, [_fixed(points)], closed, colour, thick, cv2.LINE_AA, SHIFT)

    def disc(self, centre: np.ndarray, radius: float, colour: Colour) -> None:
        """Draw a disc, `radius` in centimetres."""
        x, y = _fixed(centre)
        cv2.circle(
            self.picture,
            (int(x), int(y)),
            max(1, round(radius * self.scale * (1 << SHIFT))),
            colour,
            -1,
            cv2.LINE_AA,
            SHIFT,
        )

    def mask(self, *polygons: np.ndarray) -> np.ndarray:
        """Return an (S, S) uint8 mask, 255 inside the polygons."""
        mask = np.zeros(self.picture.shape[:2], np.uint8)
        for polygon in polygons:
            cv2.fillPoly(mask, [_fixed(polygon)], 255, cv2.LINE_AA, SHIFT)
        return mask

    def paint(self, layer: np.ndarray, mask: np.ndarray) -> None:
        """Blend an (S, S, 3) uint8 `layer` over the picture with the (S, S) uint8 mask."""
        x, y, width, height = cv2.boundingRect(mask)
        if not width:
            return
        box = slice(y, y + height), slice(x, x + width)
        alpha = cv2.merge([mask[box]] * 3)
        over = cv2.multiply(layer[box], alpha, scale=1 / 255)
        under = cv2.multiply(self.picture[box], 255 - alpha, scale=1 / 255)
        self.picture[box] = cv2.add(over, under)

    def tint(self, polygon: np.ndarray, colour: Colour, alpha: float) -> None:
        """Draw a translucent polygon. alpha: 0..1, 1 = opaque."""
        low = np.maximum(np.floor(polygon.min(0)).astype(int) - 2, 0)
        high = np.ceil(polygon.max(0)).astype(int) + 3
        part = self.picture[low[1] : high[1], low[0] : high[0]]
        if not part.size:
            return
        over = np.ascontiguousarray(part)
        cv2.fillPoly(over, [_fixed(polygon - low)], colour, cv2.LINE_AA, SHIFT)
        cv2.addWeighted(over, alpha, part, 1 - alpha, 0, dst=over)
        part[:] = over


class Light:
    """A coarse picture of factors that multiply the skin's colour: soft light and shadow without edges."""

    def __init__(self, factors: np.ndarray):
        self.factors = np.ascontiguousarray(factors, np.float32)

    def spot(self, points: np.ndarray, colour: tuple[float, float, float], blur: float) -> None:
        """Multiply the light inside a polygon (canvas pixels), softened
        by `blur` coarse pixels, by factors around 1.
        """
        layer = np.ones_like(self.factors)
        cv2.fillPoly(layer, [_fixed(points / COARSE)], colour, cv2.LINE_AA, SHIFT)
        self.factors *= cv2.GaussianBlur(layer, (0, 0), blur)

    def on(self, colour: Colour, side: int) -> np.ndarray:
        """Return (side, side, 3) uint8 of a lit surface of one colour."""
        lit = cv2.resize(self.factors * np.float32(colour), (side, side), interpolation=cv2.INTER_LINEAR)
        return np.clip(lit, 0, 255).astype(np.uint8)


@dataclass(frozen=True)
class Ellipsoid:
    """An ellipsoid in head coordinates, centimetres."""

    centre: tuple[float, float, float]
    radii: tuple[float, float, float]

    def outline(self, view: View, count: int = 40) -> np.ndarray:
        """(count, 2) pixels of the ellipsoid's silhouette."""
        shape = view.turn * np.array(self.radii)
        covariance = (shape @ shape.T)[:2, :2]
        angle = np.linspace(0, 2 * np.pi, count, endpoint=False)
        circle = np.stack([np.cos(angle), np.sin(angle)]) * view.scale
        axes = np.linalg.cholesky(covariance) @ circle
        return view.pixels(np.array([self.centre]))[0] + axes.T * [1, -1]

    def seen(self, view: View, box: tuple[int, int, int, int], step: int) -> tuple[np.ndarray, np.ndarray]:
        """Cast a ray through every step-th pixel of a box (x0, y0, x1, y1).

        Returns (H, W, 3) points on the unit sphere and (H, W) depth.

        The depth is 1 at the centre, 0 on the silhouette and negative outside, where the point is the ray's
        nearest to the ellipsoid.
        """
        x0, y0, x1, y1 = box
        to_unit = (view.turn / np.array(self.radii)).astype(
            np.float32
        )  # rows: the camera's axes in unit-sphere coordinates
        x = ((np.arange(x0, x1, step, dtype=np.float32) + step / 2 - view.origin[0]) / view.scale).astype(
            np.float32
        )
        y = ((view.origin[1] - np.arange(y0, y1, step, dtype=np.float32) - step / 2) / view.scale).astype(
            np.float32
        )
        start = -np.float32(self.centre) / np.float32(self.radii)
        ray = to_unit[2]
        squared = ray @ ray
        # Only components perpendicular to the ray affect the nearest point. They are projected here, on three
        # vectors instead of on the field.
        start, along_x, along_y = (v - (v @ ray) / squared * ray for v in (start, to_unit[0], to_unit[1]))
        point = (start + x[:, None] * along_x)[None] + (y[:, None] * along_y)[:, None]
        depth = 1 - np.einsum("hwc,hwc->hw", point, point)
        point += np.sqrt(np.maximum(depth, 0) / squared)[..., None] * ray
        return point, depth
