"""The calibration in use: the one that `python run.py calibrate` wrote, otherwise the defaults."""

import folder_paths

from ...face_tools.coefficients import ORDER_FILE, CoefficientOrder, network_order
from ...face_tools.track import FaceTrack
from ...face_tools.trackers import straight_look
from ..folders import FACE_TOOLS


def coefficient_order() -> CoefficientOrder:
    """Return the calibrated order of the coefficients, or the default one.

    Raises TrackError if the calibration file cannot be read.
    """
    return network_order(folder_paths.get_full_path(FACE_TOOLS, ORDER_FILE))


def pitch_zero(source: str) -> float:
    """Return the pitch, radians, that a tracker reports for a straight look.

    Raises TrackError if the calibration file cannot be read.
    """
    path = folder_paths.get_full_path(FACE_TOOLS, straight_look.CALIBRATION)
    return straight_look.straight_pitch(source, path)


def straightened(track: FaceTrack) -> FaceTrack:
    """Return the track with pitch 0 at a straight look.

    Recordings and tracks of the HelloMeme networks are returned unchanged.
    """
    return straight_look.with_zero(track, pitch_zero(track.source))
