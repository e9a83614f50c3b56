"""Describes a track in a few lines for the user."""

from __future__ import annotations

import numpy as np

from .track import FaceTrack
from .trackers.straight_look import described


def describe(track: FaceTrack) -> str:
    """Return frames, source, number of detected frames, range of
    the head angles, and every note of the track.
    """
    degrees = np.degrees(track.rotation)
    angles = ", ".join(
        f"{name} {low:+.0f}..{high:+.0f}"
        for name, low, high in zip(("pitch", "yaw", "roll"), degrees.min(0), degrees.max(0))
    )
    lines = [
        f"{len(track)} frames of {track.size[0]}x{track.size[1]} at {track.fps:g} fps, tracked by {track.source}",
        f"measured: {int(track.valid.sum())} of {len(track)} frames",
        f"head angles in degrees: {angles}",
        *filter(None, [described(track)]),
        "expression coefficients: "
        + ("none (Encode Performance uses zeros)" if track.coefficients is None else "51 per frame"),
        *(f"note: {note}" for note in track.notes),
    ]
    return "\n".join(lines)
