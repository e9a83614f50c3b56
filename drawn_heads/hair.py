"""Hair: a cap on the skull that ends at a hairline, a curtain behind the head, and a bun."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..face_tools.opencv import cv2
from .canvas import Canvas, Ellipsoid, shade
from .head import View
from .identity import Identity

SKULL = Ellipsoid((0.0, 2.6, -6.2), (7.5, 9.4, 8.6))
# Degrees around the skull from the front at which a style defines its hairline.
AROUND = (
    0.0,
    38.0,
    66.0,
    84.0,
    110.0,
    180.0,
)
STEP = 2


@dataclass(frozen=True)
class Style:
    """A hair style.

    line: hairline heights (cm) at AROUND; puff: thickness (cm); parting: height (cm) by which
    the parting raises one side; curtain: lower end (cm) of the hair behind the head, None =
    none; curls: 0..1; bun: whether there is a bun.
    """

    line: tuple[float, ...]
    puff: float
    parting: float = 0.0
    curtain: float | None = None
    curls: float = 0.0
    bun: bool = False


STYLES = {
    "short": Style((7.0, 6.4, 4.6, 0.6, -3.0, -6.5), 0.9),
    "parted": Style((6.6, 6.0, 4.4, 0.0, -3.5, -6.5), 1.4, parting=1.3),
    "fringe": Style((5.3, 5.2, 3.6, -1.0, -5.0, -7.0), 1.3),
    "long": Style((7.2, 6.0, 1.8, -9.0, -11.0, -11.0), 1.5, parting=0.8, curtain=-15.5),
    "bob": Style((5.3, 5.0, 1.2, -7.5, -9.0, -9.0), 1.6, curtain=-9.0),
    "curly": Style((6.8, 6.0, 4.0, 2.4, 2.4, -6.0), 2.5, curls=0.2),
    "bun": Style((7.2, 6.4, 4.4, 0.4, -4.0, -7.0), 0.8, bun=True),
}


def _solid(style: Style, who: Identity) -> Ellipsoid:
    grown = np.array(SKULL.radii) * [who.face_width, 1, 1] + style.puff * np.array([0.85, 1.0, 0.7])
    return Ellipsoid((0.0, SKULL.centre[1] + 0.25 * style.puff, SKULL.centre[2] - 0.2), tuple(grown))


def _cover(unit: np.ndarray, angle: np.ndarray, solid: Ellipsoid, style: Style) -> np.ndarray:
    """(H, W) 0..1 coverage by hair of unit-sphere points at `angle` degrees around the skull, with a soft
    edge of half a centimetre.
    """
    y = unit[..., 1] * solid.radii[1] + solid.centre[1]
    aside = np.abs(angle)
    line = np.interp(aside, AROUND, style.line).astype(np.float32)
    line += style.parting * np.clip(angle / 30, -1, 1) * np.clip((75 - aside) / 40, 0, 1)
    line += 0.22 * np.sin(angle * 0.37) * np.cos(angle * 0.11)
    return np.clip((y - line) * 2, 0, 1)


class Hair:
    """The hair of one person in one view. `behind` is drawn before the head, `front` after the face."""

    def __init__(self, who: Identity, view: View):
        self.who, self.view, self.style = who, view, STYLES.get(who.style)

    def behind(self, canvas: Canvas) -> None:
        if self.style is None:
            return
        if self.style.curls:
            ball = Ellipsoid((0.0, 5.0, -7.0), (9.0 * self.who.face_width, 7.6, 8.6))
            canvas.polygon(ball.outline(self.view), shade(self.who.hair, 0.7))
        if self.style.curtain is None:
            return
        low, wide = self.style.curtain, _solid(self.style, self.who).radii[0]
        ring = np.array([
            (-wide, 1, -6), (-wide * 1.02, -5, -6), (-wide * 0.97, low + 2, -6.5), (-wide * 0.75, low, -7.5),
            (wide * 0.75, low, -7.5), (wide * 0.97, low + 2, -6.5), (wide * 1.02, -5, -6), (wide, 1, -6),
        ])  # fmt: skip
        canvas.polygon(
            cv2.convexHull(self.view.pixels(ring).astype(np.float32))[:, 0], shade(self.who.hair, 0.62)
        )

    def front(self, canvas: Canvas) -> None:
        if self.style is None:
            return
        if self.style.bun:
            self._bun(canvas)
        solid, side = _solid(self.style, self.who), canvas.picture.shape[0]
        outline = solid.outline(self.view)
        low, high = outline.min(0) - 4, outline.max(0) + 4
        x0, y0 = np.clip(low, 0, side - STEP).astype(int) // STEP * STEP
        x1, y1 = np.clip(high + STEP, STEP, side).astype(int) // STEP * STEP
        point, depth = solid.seen(self.view, (x0, y0, x1, y1), STEP)
        if not depth.size:
            return
        if self.style.curls:
            rows, columns = np.indices(depth.shape, np.float32) - np.float32(depth.shape)[:, None, None] / 2
            depth = depth + self.style.curls * (np.abs(np.sin(9 * np.arctan2(rows, columns))) - 0.75)
        forward = point[..., 2] * solid.radii[2] + solid.centre[2] - SKULL.centre[2]
        angle = cv2.phase(forward, point[..., 0] * solid.radii[0], angleInDegrees=True)
        angle = np.where(angle > 180, angle - 360, angle)
        # At the rim the depth falls by about a quarter per centimetre, so the
        # edge is one pixel wide in the finished picture.
        cover = _cover(point, angle, solid, self.style) * np.clip(
            depth * 4.0 * self.view.scale / STEP / 2, 0, 1
        )
        part = Canvas(canvas.picture[y0:y1, x0:x1], canvas.scale)
        size = (x1 - x0, y1 - y0)
        layer = cv2.resize(self._lit(point, angle, solid), size, interpolation=cv2.INTER_LINEAR)
        part.paint(layer, cv2.resize((cover * 255).astype(np.uint8), size, interpolation=cv2.INTER_LINEAR))

    def _lit(self, point: np.ndarray, angle: np.ndarray, solid: Ellipsoid) -> np.ndarray:
        """(H, W, 3) uint8 colour of the hair: strands from the crown,
        and a ring of light around it, as hair reflects.
        """
        normal = point @ (self.view.turn / np.array(solid.radii)).T.astype(np.float32)
        normal /= np.sqrt(np.einsum("hwc,hwc->hw", normal, normal))[..., None] + 1e-6
        light = 0.55 + 0.5 * np.clip(normal @ np.float32([-0.35, 0.6, 0.72]), 0, 1)
        strands = 0.05 * np.sin(angle * 0.8) + 0.04 * np.sin(angle * 0.3 + 1.3)
        shine = (
            0.42
            * np.exp(-(((point[..., 1] - 0.62) / 0.1) ** 2))
            * np.clip(normal[..., 2], 0, 1)
            * (1 + 6 * strands)
        )
        lit = (light + strands)[..., None] * np.float32(self.who.hair) + shine[..., None] * np.float32(
            [95, 88, 78]
        )
        return np.clip(lit, 0, 255).astype(np.uint8)

    def _bun(self, canvas: Canvas) -> None:
        centre = self.view.pixels(np.array([[0, 13.2, -7.5]]))[0]
        canvas.disc(centre, 3.0, shade(self.who.hair, 0.85))
        canvas.disc(centre - np.array([0.8, 0.9]) * self.view.scale, 0.9, shade(self.who.hair, 1.2))
