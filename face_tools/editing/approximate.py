"""Estimates expression coefficients from MediaPipe's landmarks.

Used only on request, never chosen automatically.
"""

from __future__ import annotations

import numpy as np

from ..coefficients import ARKIT_51, ASSUMED_ORDER, CoefficientOrder, experimental_note
from ..track import FaceTrack
from ..track_errors import NoFaceError, SchemeError, TrackSettingError
from .expression_table import shipped_table

SCHEME = "mediapipe478"
NO_FRAME = -1  # no neutral frame is chosen


def approximate_coefficients(
    track: FaceTrack,
    neutral: FaceTrack | None = None,
    order: CoefficientOrder = ASSUMED_ORDER,
    neutral_frame: int = NO_FRAME,
    replace: bool = False,
) -> FaceTrack:
    """Return the track with estimated coefficients.

    Coefficients from a tracker are kept unless `replace` is true.

    neutral:       a track of the same person with a relaxed face, whose expression becomes zero
    neutral_frame: frame with the relaxed face, in `neutral` or, if that is None, in `track`; NO_FRAME = none
    Raises TrackError for landmarks of another scheme, and for a neutral frame without a face or out of range.
    """
    if track.coefficients is not None and not replace:
        kept = (
            f"The expression coefficients of {track.source} were kept: "
            'switch "replace existing coefficients" on to estimate them.'
        )
        return track.replace(notes=track.notes + (kept,))
    coefficients = _estimated(track)
    rest = _rest(track, neutral, neutral_frame)
    if rest is not None:
        coefficients = ((coefficients - rest) / (1 - rest).clip(1e-3)).clip(0, 1).astype(np.float32)
    notes = tuple(filter(None, [_note(), experimental_note(order)]))
    return track.replace(coefficients=coefficients, notes=track.notes + notes)


def _estimated(track: FaceTrack) -> np.ndarray:
    if track.scheme != SCHEME:
        raise SchemeError(
            f"Coefficients are estimated from {SCHEME} landmarks, and this track has {track.scheme}: "
            "track the video with a MediaPipe tracker, or import recorded coefficients.",
            track.scheme,
        )
    return shipped_table()(track.landmarks)


def _rest(track: FaceTrack, neutral: FaceTrack | None, frame: int) -> np.ndarray | None:
    """(51,) coefficients of the relaxed face, or None if none is given."""
    shown = track if neutral is None else neutral
    if frame == NO_FRAME:
        return None if neutral is None else np.median(_estimated(neutral), axis=0)
    if not 0 <= frame < len(shown):
        raise TrackSettingError(
            f"The neutral frame is {frame}; the track has frames 0 to {len(shown) - 1}: choose one of them.",
            "neutral_frame",
            frame,
        )
    if not shown.valid[frame]:
        raise NoFaceError(f"In the neutral frame, {frame}, no face was detected: choose another one.", frame)
    return _estimated(shown.rows(slice(frame, frame + 1)))[0]


def _note() -> str:
    known = shipped_table().names
    silent = ", ".join(name for name in ARKIT_51 if name not in known)
    return f"Approximate: {len(known)} coefficients were estimated from landmarks. Always zero: {silent}."
