"""The parts of a synthetic face: eyes, brows, nose, mouth, beard and glasses."""

from __future__ import annotations

import numpy as np

from ..face_tools import contours
from . import head
from .canvas import Canvas, Light, blend, shade
from .head import View
from .identity import Identity

LASH, CREAM, GUMS, TEETH, TONGUE = (38, 26, 28), (252, 250, 246), (92, 22, 30), (250, 246, 238), (206, 92, 98)


def _smooth(points: np.ndarray, factor: int = 3) -> np.ndarray:
    """Return a polyline between the same ends with `factor` times
    the points and rounded corners (Catmull-Rom).
    """
    padded = np.concatenate([points[:1], points, points[-1:]])
    t = (np.arange(factor) / factor)[:, None, None]
    a, b, c, d = (padded[k : len(padded) - 3 + k] for k in range(4))
    curve = 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)
    return np.concatenate([curve.transpose(1, 0, 2).reshape(-1, points.shape[1]), points[-1:]])


def contour(points: np.ndarray, upper: tuple[int, ...], lower: tuple[int, ...]) -> np.ndarray:
    """Return the closed outline of two polylines with common ends."""
    return np.concatenate([_smooth(points[list(upper)]), _smooth(points[list(lower)])[::-1]])


class Face:
    """One face in one view. mesh: (478, 3) centimetres; points: (478, 2) pixels."""

    def __init__(self, who: Identity, mesh: np.ndarray, view: View):
        self.who, self.mesh, self.view = who, mesh, view
        self.points = view.pixels(mesh)
        self.ink = blend(shade(who.skin, 0.52), (120, 50, 40), 0.25)

    def _blob(self, centre: np.ndarray, width: float, height: float) -> np.ndarray:
        """(16, 2) pixels of a flat oval on the face, sizes
        in centimetres, parallel to the front of the head.
        """
        angle = np.linspace(0, 2 * np.pi, 16, endpoint=False)
        ring = np.stack([np.cos(angle) * width, np.sin(angle) * height, np.zeros(16)], 1)
        return self.view.pixels(centre + ring)

    def light(self, light: Light) -> None:
        """Add blush, and the soft shadows of brow, nose and lips."""
        mesh, who = self.mesh, self.who
        soft = 0.42 * self.view.scale / 2
        for side, sign in contours.SIDES.items():
            eye = mesh[list(contours.IRIS[side])][0]
            light.spot(self._blob(eye + [0, 0.55, -0.2], 2.3, 1.7), (0.9, 0.86, 0.85), soft)
            light.spot(self._blob(eye + [sign * 0.7, -3.3, -0.4], 1.6, 1.2), (1.0, 0.86, 0.83), soft * 1.3)
            if who.age > 0.35:
                light.spot(
                    self._blob(eye + [0, -1.7, -0.2], 1.5, 0.45), (1 - 0.16 * who.age,) * 3, soft * 0.5
                )
        tip, wing = mesh[4], mesh[358]
        shadow = np.stack(
            [
                mesh[6] + [0.25, 0, 0],
                tip + [0.2, 0.4, 0],
                tip + [0.3, -0.7, -0.6],
                wing,
                wing + [0.1, 1.0, -0.6],
            ]
        )
        light.spot(self.view.pixels(shadow), (0.84, 0.77, 0.74), soft * 0.6)
        light.spot(self._blob(mesh[17] + [0, -0.75, -0.4], 1.6, 0.4), (0.86, 0.8, 0.78), soft * 0.7)
        light.spot(self._blob(mesh[10] + [-1.2, -0.8, 0], 3.2, 1.0), (1.06, 1.06, 1.05), soft * 2)

    def nose(self, canvas: Canvas) -> None:
        mesh, skin = self.mesh, self.who.skin
        width = mesh[327, 0] - mesh[98, 0]
        ridge = self.view.pixels(
            np.stack([mesh[6] + [-0.15, -0.3, 0], mesh[197] + [-0.1, 0, 0], mesh[4] + [-0.1, 0.4, 0]])
        )
        canvas.tint(np.concatenate([ridge, ridge[::-1] + [0.45 * canvas.scale, 0]]), shade(skin, 1.12), 0.5)
        canvas.tint(self._blob(mesh[4] + [-0.2, 0.15, 0.1], 0.6, 0.5), shade(skin, 1.2), 0.6)
        wing = mesh[[129, 98, 2, 327, 358]]
        canvas.line(_smooth(self.view.pixels(wing + [0, -0.1, 0])), shade(self.ink, 1.0), 0.24)
        for side in (-1, 1):
            canvas.polygon(
                self._blob(mesh[2] + [side * 0.27 * width, 0.14, 0.35], 0.42, 0.24), shade(self.ink, 0.7)
            )

    def eyes(self, canvas: Canvas) -> None:
        for side in contours.SIDES:
            self._eye(canvas, side)

    def _eye(self, canvas: Canvas, side: str) -> None:
        upper, lower = contours.LIDS[side]
        rest = self.view.pixels(head.shapes(self.who)[0][list(upper)])
        lid, floor = _smooth(self.points[list(upper)]), _smooth(self.points[list(lower)])
        # The part of the lid that becomes visible when it closes.
        canvas.polygon(
            np.concatenate([_smooth(rest), lid[::-1]]),
            shade(blend(self.who.skin, (190, 120, 120), 0.18), 0.86),
        )
        opening = np.concatenate([lid, floor[::-1]])
        low, high = np.floor(opening.min(0)).astype(int) - 2, np.ceil(opening.max(0)).astype(int) + 3
        low, high = np.maximum(low, 0), np.minimum(high, canvas.picture.shape[0])
        part = canvas.picture[low[1] : high[1], low[0] : high[0]]
        if part.size:
            ball = Canvas(np.full_like(part, CREAM), canvas.scale)
            self._iris(ball, self.points[list(contours.IRIS[side])] - low)
            ball.line(lid - low, (168, 160, 172), 0.5)
            view = Canvas(np.ascontiguousarray(part), canvas.scale)
            view.paint(ball.picture, view.mask(opening - low))
            part[:] = view.picture
        canvas.line(floor, shade(self.ink, 0.9), 0.14)
        canvas.line(lid, LASH, 0.36)
        corner, direction = lid[0], lid[0] - lid[2]
        canvas.line(np.stack([corner, corner + direction * 0.5 - [0, 0.3 * canvas.scale]]), LASH, 0.3)
        crease = _smooth(rest[1:-1] - [0, 0.5 * canvas.scale])
        canvas.line(crease, shade(self.who.skin, 0.74), 0.14)

    def _iris(self, ball: Canvas, ring: np.ndarray) -> None:
        centre, radius = ring[0], head.IRIS_RADIUS * self.who.eye_size
        ball.disc(centre, radius, shade(self.who.eye, 0.55))
        ball.disc(centre, radius * 0.82, self.who.eye)
        ball.disc(
            centre + np.array([0.05, 0.3]) * radius * ball.scale, radius * 0.5, shade(self.who.eye, 1.45)
        )
        ball.disc(centre, radius * 0.5, (18, 14, 18))
        ball.disc(centre + np.array([-0.34, -0.36]) * radius * ball.scale, radius * 0.26, (255, 255, 255))
        ball.disc(centre + np.array([0.36, 0.4]) * radius * ball.scale, radius * 0.12, (236, 240, 250))

    def brows(self, canvas: Canvas) -> None:
        colour = shade(self.who.hair, 0.72) if sum(self.who.hair) < 560 else shade(self.who.hair, 0.78)
        colour = blend(colour, (40, 26, 22), 0.35)
        for side in contours.SIDES:
            points = self.mesh[list(contours.BROWS[side])]
            outer_to_inner = (points[:5] + points[[9, 8, 7, 6, 5]]) / 2
            half = (
                0.52 * self.who.brow_thickness * np.array([0.35, 0.75, 0.95, 1.0, 0.8])[:, None] * [0, 1, 0]
            )
            top, bottom = self.view.pixels(outer_to_inner + half), self.view.pixels(outer_to_inner - half)
            canvas.polygon(np.concatenate([_smooth(top), _smooth(bottom)[::-1]]), colour)

    def mouth(self, canvas: Canvas) -> None:
        points, lips = self.points, self.who.lips
        lips = blend(lips, self.who.skin, 0.12 if sum(self.who.skin) > 400 else 0.3)
        outer = contour(points, contours.OUTER_UPPER, contours.OUTER_LOWER)
        canvas.polygon(outer, lips)
        upper = np.concatenate(
            [_smooth(points[list(contours.OUTER_UPPER)]), _smooth(points[list(contours.INNER_UPPER)])[::-1]]
        )
        canvas.polygon(upper, shade(lips, 0.84))
        gap = np.linalg.norm(points[13] - points[14]) / canvas.scale
        if gap > 0.35:
            self._inside(canvas, gap)
        else:
            middle = (points[list(contours.INNER_UPPER)] + points[list(contours.INNER_LOWER)]) / 2
            canvas.line(
                _smooth(np.concatenate([points[61:62], middle, points[291:292]])), shade(lips, 0.42), 0.24
            )
        glint = (self.mesh[17] * 0.55 + self.mesh[14] * 0.45) + [-0.4, 0, 0.1]
        canvas.tint(self._blob(glint, 0.8, 0.18), (255, 236, 230), 0.5)

    def _inside(self, canvas: Canvas, gap: float) -> None:
        points = self.points
        opening = contour(points, contours.INNER_UPPER, contours.INNER_LOWER)
        low, high = np.floor(opening.min(0)).astype(int) - 2, np.ceil(opening.max(0)).astype(int) + 3
        low, high = np.maximum(low, 0), np.minimum(high, canvas.picture.shape[0])
        part = canvas.picture[low[1] : high[1], low[0] : high[0]]
        if not part.size:
            return
        inside = Canvas(np.full_like(part, GUMS), canvas.scale)
        down = (points[14] - points[13]) / max(gap * canvas.scale, 1e-6)
        if gap > 0.9:
            inside.disc(points[14] + down * 0.35 * canvas.scale - low, 1.15, TONGUE)
        biting = _smooth(points[list(contours.INNER_UPPER)])
        teeth = np.concatenate(
            [biting - down * canvas.scale, (biting + down * min(0.6, 0.5 * gap) * canvas.scale)[::-1]]
        )
        inside.polygon(teeth - low, TEETH)
        view = Canvas(np.ascontiguousarray(part), canvas.scale)
        view.paint(inside.picture, view.mask(opening - low))
        view.line(opening - low, shade(self.who.lips, 0.5), 0.14, closed=True)
        part[:] = view.picture

    def wrinkles(self, canvas: Canvas) -> None:
        """Draw folds from nose to mouth that deepen with a smile, lines of age, and freckles."""
        mesh, age = self.mesh, self.who.age
        for side, sign in contours.SIDES.items():
            corner, rest = mesh[contours.CORNERS[side]], head.shapes(self.who)[0][contours.CORNERS[side]]
            lifted = float(np.clip((corner[1] - rest[1]) / 1.2, 0, 1))
            strength = max(lifted, 0.75 * max(age - 0.4, 0) / 0.6)
            if strength > 0.15:
                wing = mesh[{"Right": 129, "Left": 358}[side]]
                middle = (wing + corner) / 2 + [sign * 1.15, 0.2, -0.2]
                fold = np.stack([wing + [sign * 0.5, 0.1, -0.2], middle, corner + [sign * 0.75, 0.1, -0.3]])
                canvas.line(
                    _smooth(self.view.pixels(fold), 4), blend(self.who.skin, self.ink, 0.75 * strength), 0.18
                )
        if age > 0.5:
            wave = np.array(
                [(-2.6, 0, -0.5), (-1.2, 0.25, 0), (0, 0.15, 0.1), (1.2, 0.25, 0), (2.6, 0, -0.5)]
            )
            for height in (0.0, 0.9):
                line = mesh[10] * [0, 0.75, 1] + wave
                canvas.line(
                    _smooth(self.view.pixels(line + [0, height, 0])), shade(self.who.skin, 0.84), 0.12
                )
        if self.who.freckles:
            for side, sign in contours.SIDES.items():
                cheek = mesh[list(contours.IRIS[side])][0] + [sign * 0.2, -2.6, 0]
                for x, y in (
                    (-1, 0.2),
                    (-0.3, -0.4),
                    (0.4, 0.1),
                    (1.1, -0.3),
                    (0.1, 0.6),
                    (-0.8, -0.8),
                    (0.9, 0.6),
                ):
                    canvas.disc(
                        self.view.pixels(np.array([cheek + [x, y, 0]]))[0], 0.13, shade(self.who.skin, 0.76)
                    )

    def beard(self, canvas: Canvas) -> None:
        kind, points = self.who.beard, self.points
        colour = shade(self.who.hair, 0.8)
        if kind in ("stubble", "full"):
            mesh, jaw = self.mesh, points[list(head.JAW)]
            cheek = self.view.pixels(np.stack([
                mesh[361] + [-0.6, 1.2, 1], mesh[291] + [2.3, 0.4, -0.6], mesh[291] + [0.7, 1.3, 0.2], mesh[0] + [0, 0.95, 0.2],
                mesh[61] + [-0.7, 1.3, 0.2], mesh[61] + [-2.3, 0.4, -0.6], mesh[132] + [0.6, 1.2, 1],
            ]))  # fmt: skip
            down = np.zeros_like(jaw)
            down[4:-4, 1] = (0.9 if kind == "full" else 0.1) * canvas.scale
            area = np.concatenate([_smooth(jaw + down), _smooth(cheek)])
            canvas.polygon(area, colour) if kind == "full" else canvas.tint(area, colour, 0.3)
        if kind in ("moustache", "full"):
            mesh = self.mesh
            top = np.stack([mesh[61] + [-0.2, -0.1, 0.2], mesh[39] + [-0.4, 0.75, 0.4], mesh[0] + [0, 0.95, 0.5],
                            mesh[269] + [0.4, 0.75, 0.4], mesh[291] + [0.2, -0.1, 0.2]])  # fmt: skip
            lip = mesh[[291, 269, 0, 39, 61]] + [0, 0.1, 0.3]
            canvas.polygon(
                np.concatenate([_smooth(self.view.pixels(top)), _smooth(self.view.pixels(lip))]), colour
            )

    def glasses(self, canvas: Canvas) -> None:
        if self.who.glasses == "none":
            return
        neutral = head.shapes(self.who)[0]
        frame = (52, 44, 50) if self.who.glasses == "square" else (140, 92, 44)
        power, wide, high = (4.0, 2.5, 2.0) if self.who.glasses == "square" else (2.0, 2.45, 2.3)
        angle = np.linspace(0, 2 * np.pi, 36, endpoint=False)
        ring = np.stack([np.cos(angle), np.sin(angle)], 1)
        ring /= (np.abs(ring) ** power).sum(1, keepdims=True) ** (1 / power)
        inner = {}
        for side, sign in contours.SIDES.items():
            centre = neutral[contours.IRIS[side][0]] + [sign * 0.15, 0, 0]
            lens = np.stack(
                [centre[0] + ring[:, 0] * wide, centre[1] + ring[:, 1] * high, np.full(36, 2.6)], 1
            )
            lens[:, 2] -= 0.35 * np.abs(lens[:, 0] - 1.2 * sign).clip(1.5) - 0.5
            canvas.line(self.view.pixels(lens), frame, 0.34, closed=True)
            gleam = self.view.pixels(centre + np.array([(-1.4, 1.3, 2), (-0.7, 1.5, 2), (-1.3, 0.2, 2)]))
            canvas.tint(gleam, (255, 255, 255), 0.45)
            inner[side] = centre + [-sign * wide, 0.3, 1.9]
            temple = np.stack(
                [centre + [sign * wide, 0.5, 1.0], [sign * 7.4 * self.who.face_width, 1.6, -4.5]]
            )
            if (self.view.turn @ [sign, 0, 0.25])[2] > 0:
                canvas.line(self.view.pixels(temple), frame, 0.34)
        bridge = np.stack(
            [inner["Right"], (inner["Right"] + inner["Left"]) / 2 + [0, 0.35, 0.3], inner["Left"]]
        )
        canvas.line(_smooth(self.view.pixels(bridge)), frame, 0.34)
