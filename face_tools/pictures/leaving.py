"""Finds the frames in which a face leaves its cropped square."""

from __future__ import annotations

import numpy as np

from ..track import FaceTrack
from ..trackers.schemes import scheme_of
from ..trackers.tracking import ranges
from .crop import Crop
from .following_crop import FollowingCrop


def leaving(track: FaceTrack, crop: Crop | FollowingCrop) -> tuple[np.ndarray, np.ndarray]:
    """Two (F,) bool: frames in which the face of an uncropped
    track is partly, and entirely, outside its square.

    Parts outside the frame itself do not count.
    """
    points = track.landmarks[:, list(scheme_of(track.scheme).face), :2]
    squares = crop.squares(len(track))[:, None]
    inside = _within(points - squares[..., :2], squares[..., 2:])
    wholly = ~inside.any(1)
    partly = (_within(points, np.array(track.size, np.float32)) & ~inside).any(1) & ~wholly
    return partly, wholly


def leaving_notes(track: FaceTrack, crop: Crop | FollowingCrop) -> tuple[str, ...]:
    """Return a note that names the frames in which the face leaves its square; empty if there are none."""
    partly, wholly = leaving(track, crop)
    if not (partly | wholly).any():
        return ()
    frames = " and ".join(
        f"{how} in {there.sum()} of {len(track)} frames ({ranges(np.flatnonzero(there))})"
        for how, there in (("in part", partly), ("wholly", wholly))
        if there.any()
    )
    remedy = "Trim the clip there." if crop.moves else 'Set crop to "follow", or trim the clip.'
    return (f"The face lies outside the cropped square {frames}, counted from 0. {remedy}",)


def _within(points: np.ndarray, limit: np.ndarray) -> np.ndarray:
    """(F, P) bool: both coordinates are in 0..limit."""
    return ((points >= 0) & (points <= limit)).all(-1)
