"""Expression coefficients of a recording over a tracked head pose."""

from __future__ import annotations

import numpy as np

from .track import FaceTrack, TrackError


def with_coefficients(track: FaceTrack, recording: FaceTrack) -> FaceTrack:
    """The track with the coefficients that `recording` has at the time of each of its frames (linear between the recorded rows).

    Raises TrackError where the recording has none, or ends more than one of its frames before the clip does.
    """
    if recording.coefficients is None:
        raise TrackError(f"The recording from {recording.source} holds no expression coefficients.")
    times = np.arange(len(track)) / track.fps * recording.fps
    if times[-1] > len(recording):
        raise TrackError(
            f"The recording from {recording.source} lasts {len(recording) / recording.fps:.2f} s ({len(recording)} rows at "
            f"{recording.fps:g} fps), the clip {len(track) / track.fps:.2f} s ({len(track)} frames at {track.fps:g} fps)."
        )
    times = np.minimum(times, len(recording) - 1)
    low = np.floor(times).astype(int)
    share = (times - low)[:, None]
    rows = recording.coefficients
    mixed = rows[low] * (1 - share) + rows[np.minimum(low + 1, len(rows) - 1)] * share
    note = f"The expression coefficients come from {recording.source}."
    return track.replace(coefficients=mixed.astype(np.float32), notes=(*track.notes, *recording.notes, note))
