"""Draws a synthetic head."""

from __future__ import annotations

import numpy as np

from ..face_tools import contours
from ..face_tools.opencv import cv2
from . import head
from .canvas import COARSE, Canvas, Ellipsoid, Light, blend, shade
from .features import Face
from .hair import SKULL, Hair
from .head import State, View
from .identity import Identity

# Surface that the soft light is computed for: rounder than skull and jaw together.
ROUND = Ellipsoid((0.0, 0.5, -5.5), (8.6, 11.5, 8.2))
LIGHT = np.float32([-0.4, 0.5, 0.77])


def draw(who: Identity, state: State, size: int) -> np.ndarray:
    """Draw the person in this state in front of their background, (size, size, 3) uint8 RGB."""
    side = size * (2 if size < 1024 else 1)
    side += -side % COARSE
    view = View.of(state, (side, side))
    mesh = head.mesh(who, state.coefficients)
    face, hair = Face(who, mesh, view), Hair(who, view)
    canvas = Canvas(_background(who, side), view.scale)
    hair.behind(canvas)
    _torso(canvas, who, state, view)
    outline = _outline(face, view)
    _neck_shadow(canvas, who, outline)
    light = _light(view, side)
    face.light(light)
    for near in (False, True):
        for sign in (-1, 1):
            if ((view.turn @ [sign, 0, 0.2])[2] > 0.12) == near:
                _ear(canvas, who, view, sign)
        if not near:
            canvas.paint(light.on(who.skin, side), canvas.mask(outline))
    face.wrinkles(canvas)
    face.beard(canvas)
    for part in (face.nose, face.mouth, face.eyes, face.brows):
        part(canvas)
    hair.front(canvas)
    face.glasses(canvas)
    return (
        canvas.picture
        if side == size
        else cv2.resize(canvas.picture, (size, size), interpolation=cv2.INTER_AREA)
    )


def _background(who: Identity, side: int) -> np.ndarray:
    """Draw a wall that is lit from the left and darker below."""
    across = np.linspace(1.06, 0.88, 16, dtype=np.float32)
    wall = (across[:, None] * across)[..., None] * np.float32(who.background)
    return cv2.resize(np.clip(wall, 0, 255).astype(np.uint8), (side, side), interpolation=cv2.INTER_LINEAR)


def _outline(face: Face, view: View) -> np.ndarray:
    """(N, 2) pixels around all skin of the head: skull and jaw."""
    skull = Ellipsoid(SKULL.centre, (SKULL.radii[0] * face.who.face_width, *SKULL.radii[1:]))
    points = np.concatenate([skull.outline(view), face.points[list(contours.OVAL)]])
    return cv2.convexHull(points.astype(np.float32))[:, 0]


def _light(view: View, side: int) -> Light:
    front, _ = ROUND.seen(view, (0, 0, side, side), COARSE)
    normal = (front / np.float32(ROUND.radii)) @ view.turn.T.astype(np.float32)
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True) + 1e-6
    bright = np.clip(normal @ LIGHT, -0.2, 1)
    warmth = np.float32([1.0, 0.93, 0.9])
    return Light(0.72 + 0.36 * bright[..., None] - (1 - bright[..., None]) * 0.16 * (1 - warmth) * 4)


def _torso(canvas: Canvas, who: Identity, state: State, view: View) -> None:
    """Draw neck and shoulders. They follow the head's position, and only a quarter of its turn."""
    body = View(head.rotation_matrix(np.asarray(state.rotation) * [0.1, 0.25, 0.15]), view.scale, view.origin)
    wide = 4.1 * who.neck_width
    skin = shade(who.skin, 0.86)
    top = view.pixels(np.array([(wide, -4, -6), (-wide, -4, -6)]))
    foot = np.array(
        [
            (-0.95 * wide, -13, -6),
            (-1.5 * wide, -16, -6),
            (0, -20, -3),
            (1.5 * wide, -16, -6),
            (0.95 * wide, -13, -6),
        ]
    )
    canvas.polygon(np.concatenate([top, body.pixels(foot)]), skin)
    shirt = np.array([
        (-24, -34, -6), (-19, -17, -7), (-14.5, -14, -7), (-9, -12.4, -7), (-wide * 1.2, -10.8, -6.5), (-wide * 0.85, -12.4, -3),
        (0, -14, -2), (wide * 0.85, -12.4, -3), (wide * 1.2, -10.8, -6.5), (9, -12.4, -7), (14.5, -14, -7), (19, -17, -7), (24, -34, -6),
    ])  # fmt: skip
    outline = body.pixels(shirt)
    canvas.polygon(outline, who.shirt)
    canvas.line(outline[4:9], shade(who.shirt, 0.72), 0.7)
    shaded = np.array(
        [(24, -34, -6), (19, -17, -7), (14.5, -14, -7), (9, -12.4, -7), (8, -20, -6), (10, -34, -6)]
    )
    canvas.tint(body.pixels(shaded), shade(who.shirt, 0.6), 0.35)


def _neck_shadow(canvas: Canvas, who: Identity, outline: np.ndarray) -> None:
    """Draw the chin's shadow on the neck and the shirt; the head is drawn over its upper part later."""
    lower = outline[outline[:, 1] > outline[:, 1].mean()]
    centre = lower.mean(0)
    fallen = centre + (lower - centre) * [0.62, 1.0] + np.array([0.2, 1.5]) * canvas.scale
    canvas.tint(fallen, blend(shade(who.skin, 0.45), (60, 30, 40), 0.3), 0.5)


def _ear(canvas: Canvas, who: Identity, view: View, sign: int) -> None:
    centre = np.array([sign * 7.35 * who.face_width, -0.3, -5.6])
    angle = np.linspace(0, 2 * np.pi, 24, endpoint=False)

    def oval(wide: float, high: float, shift: float = 0.0) -> np.ndarray:
        ring = np.stack(
            [
                sign * (0.55 * np.cos(angle) + shift),
                high * np.sin(angle) + 0.3 * np.cos(angle),
                -wide * np.cos(angle),
            ],
            1,
        )
        return view.pixels(centre + ring * who.ear_size)

    canvas.polygon(oval(1.4, 2.2), shade(who.skin, 0.9))
    canvas.polygon(oval(0.8, 1.4, 0.1), blend(shade(who.skin, 0.72), (170, 70, 60), 0.2))
