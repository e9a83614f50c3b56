"""Head pose relative to a straight look: the pitch that each tracker reports for a straight look, and
conversion between zeros.

A tracker computes R = Rz(roll) Ry(yaw) Rx(pitch) for a model of the head whose axes are tilted relative to
those of a head that looks straight into the camera. Both heads are symmetric, so the tilt is a rotation about
the axis through the eyes, in the head's own coordinates. It multiplies from the right, R Rx(tilt): it adds to
the pitch and leaves yaw and roll exactly unchanged.
"""

from __future__ import annotations

import json
import os

import numpy as np

from ..geometry import wrapped
from ..track import FaceTrack
from ..track_errors import TrackFileError

# Median pitch of nearly frontal faces (yaw and roll within 10 degrees): HelloMeme's example pictures and
# photographs, with equal weight. ComfyUI's landmarker is MediaPipe's Face Landmarker in another form.
STRAIGHT_DEGREES = {"mediapipe-mesh": 8.6, "mediapipe-tasks": 9.2, "comfyui-landmarks": 9.2}
CALIBRATION = "straight_look.json"  # in models/face_tools; written by `python run.py calibrate CLIP`
MOST = 45.0  # largest calibrated tilt, degrees


def straight_pitch(source: str, path: str | os.PathLike | None = None) -> float:
    """Radians of its own pitch that the tracker `source` reports for a straight look.

    From the calibration at `path`, None = the default; 0 for the HelloMeme networks and for recordings.
    Raises TrackError if the file is no calibration.
    """
    degrees = STRAIGHT_DEGREES if path is None else STRAIGHT_DEGREES | load(path)
    return float(np.radians(degrees.get(source, 0.0)))


def save(degrees: dict[str, float], provenance: str, path: str | os.PathLike) -> None:
    """Write the pitch of each tracker at a straight look, degrees, as JSON."""
    rounded = {name: round(value, 3) for name, value in degrees.items()}
    with open(path, "w", encoding="utf-8") as file:
        json.dump({"provenance": provenance, "degrees": rounded}, file, indent=1)


def load(path: str | os.PathLike) -> dict[str, float]:
    """Read a file written by `save`. Raises TrackError for another file."""
    try:
        with open(path, encoding="utf-8") as file:
            degrees = {str(name): float(value) for name, value in json.load(file)["degrees"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise _unusable(path, str(error)) from None
    if not all(abs(value) <= MOST for value in degrees.values()):
        raise _unusable(path, f"it holds a tilt beyond {MOST:g} degrees")
    return degrees


def _unusable(path: str | os.PathLike, reason: str) -> TrackFileError:
    return TrackFileError(
        f"{path} is no calibration of head poses ({reason}). Run `python run.py calibrate CLIP` again.",
        str(path),
    )


def with_zero(track: FaceTrack, zero: float) -> FaceTrack:
    """Return the track with its pitch relative to `zero`, radians of the tracker's own pitch."""
    if zero == track.pitch_zero:
        return track
    rotation = track.rotation.astype(np.float64)
    rotation[:, 0] = wrapped(rotation[:, 0] + track.pitch_zero - zero)
    return track.replace(rotation=rotation.astype(np.float32), pitch_zero=zero)


def alike(track: FaceTrack, other: FaceTrack) -> tuple[FaceTrack, tuple[str, ...]]:
    """Return `track` with its pitch relative to the zero of `other` from
    the same tracker, and a note if that changed it.
    """
    if track.source != other.source or track.pitch_zero == other.pitch_zero:
        return track, ()
    degrees = np.degrees(track.pitch_zero - other.pitch_zero)
    note = f"The tracks count pitch from different zeros: {degrees:+.1f} degrees were added to one of them."
    return with_zero(track, other.pitch_zero), (note,)


def described(track: FaceTrack) -> str | None:
    """Describe the zero of a track's pitch; None for a source without a known tilt."""
    usual = STRAIGHT_DEGREES.get(track.source)
    if usual is None:
        return None
    if track.pitch_zero:
        return f"a straight look is 0: {np.degrees(track.pitch_zero):.1f} degrees of the tracker's own pitch"
    return (
        f"pitch counts from the tracker's own zero (format 1): a straight look is {usual:+.1f} degrees. "
        'Edit Face Track converts it with head_pose_zero = "straight look".'
    )
