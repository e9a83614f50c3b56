"""The ground truth of synthetic heads: a FaceTrack of their states, and masks of eyes and mouth."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..face_tools import contours
from ..face_tools.opencv import cv2
from ..face_tools.track import FaceTrack
from . import head
from .features import contour
from .head import State, View
from .identity import Identity

SOURCE, SCHEME = "drawn", "mediapipe478"


def truth(who: Identity, states: Sequence[State], size: int, fps: float = 25.0) -> FaceTrack:
    """Return the track of these states drawn at `size` pixels.

    All values are exact; none comes from a tracker.

    Rotation 0 is a straight look. MediaPipe reports a pitch of 8 degrees for it, as for real people.
    """
    landmarks = np.stack(
        [View.of(s, (size, size)).landmarks(head.mesh(who, s.coefficients)) for s in states]
    ).astype(np.float32)
    flat = landmarks[..., :2]
    return FaceTrack(
        source=SOURCE,
        scheme=SCHEME,
        fps=fps,
        size=(size, size),
        valid=np.ones(len(states), bool),
        box=np.concatenate([flat.min(1), flat.max(1)], 1),
        landmarks=landmarks,
        rotation=np.stack([s.rotation for s in states]).astype(np.float32),
        translation=np.stack([s.translation for s in states]).astype(np.float32),
        coefficients=np.stack([s.coefficients for s in states]).astype(np.float32),
    )


def states_of(track: FaceTrack) -> list[State]:
    """Convert any track to one state per frame: its head pose, and its
    coefficients (a relaxed face if it has none).
    """
    coefficients = (
        track.coefficients if track.coefficients is not None else np.zeros((len(track), 51), np.float32)
    )
    return [State(*row) for row in zip(track.rotation, track.translation, coefficients)]


def masks(who: Identity, state: State, size: int, grow: float = 0.35) -> np.ndarray:
    """(size, size) float32 0..1 mask of both eyes and the mouth, grown by `grow` centimetres; the eyes
    have their opening at rest.
    """
    view = View.of(state, (size, size))
    points = view.pixels(head.mesh(who, state.coefficients))
    rest = view.pixels(head.shapes(who)[0])
    parts = [contour(rest, *contours.LIDS[side]) for side in contours.SIDES] + [
        contour(points, contours.OUTER_UPPER, contours.OUTER_LOWER)
    ]
    mask = np.zeros((size, size), np.uint8)
    for part in parts:
        fixed = np.round(part * 16).astype(np.int32)
        cv2.fillPoly(mask, [fixed], 255, cv2.LINE_AA, 4)
        cv2.polylines(mask, [fixed], True, 255, max(1, round(2 * grow * view.scale)), cv2.LINE_AA, 4)
    return mask.astype(np.float32) / 255
