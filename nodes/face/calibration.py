"""The calibration in force: what `python run.py calibrate` wrote, else the usual values."""

import folder_paths

from ...face_tools.coefficients import ORDER_FILE, CoefficientOrder, network_order
from ...face_tools.track import FaceTrack
from ...face_tools.trackers import straight_look
from ..folders import FACE_TOOLS


def coefficient_order() -> CoefficientOrder:
    """Raises TrackError where the file is there and cannot be read."""
    return network_order(folder_paths.get_full_path(FACE_TOOLS, ORDER_FILE))


def pitch_zero(source: str) -> float:
    """Radians of a tracker's own pitch at a straight look. Raises TrackError as `coefficient_order` does."""
    path = folder_paths.get_full_path(FACE_TOOLS, straight_look.CALIBRATION)
    return straight_look.straight_pitch(source, path)


def straightened(track: FaceTrack) -> FaceTrack:
    """The track with a straight look at 0; recordings and tracks of the HelloMeme networks stay the same."""
    return straight_look.with_zero(track, pitch_zero(track.source))
