"""Rules of a track that hold whatever made it; files that are hostile are in tests/robustness."""

from pathlib import Path

import numpy as np
import pytest

from sk_portrait.face_tools import track_file
from sk_portrait.face_tools.atomic_write import FileError
from sk_portrait.face_tools.recordings.presets import preset
from sk_portrait.face_tools.track import FaceTrack
from sk_portrait.face_tools.track_errors import TrackError
from sk_portrait.testing.raised import raises
from sk_portrait.testing.tracks import track_of


def test_a_folder_that_is_not_there(tmp_path):
    with raises(FileError, path=str(tmp_path / "absent" / "track.npz")):
        track_file.save(preset("smile"), tmp_path / "absent" / "track.npz")


def test_the_same_rules_hold_for_every_source():
    track = track_of(3)
    with pytest.raises(TrackError, match="must be finite, and row 1"):
        FaceTrack(**{**vars(track), "rotation": np.float32([[0, 0, 0], [np.nan, 0, 0], [0, 0, 0]])})
    with pytest.raises(TrackError, match="frame rate"):
        track.replace(fps=-1.0)


def test_a_file_of_0_2_is_read_as_it_was_written():
    """track_0_2_0.npz was saved by the code of that release, in format 1."""
    track = track_file.load(Path(__file__).parent / "track_0_2_0.npz")
    assert (track.source, track.scheme, track.fps, track.size) == (
        "mediapipe_tasks", "mediapipe478", 25.0, (640, 480),
    )  # fmt: skip
    assert track.valid.tolist() == [True, False] and track.notes == ("a note",) and track.pitch_zero == 0
    assert track.landmarks[1, 0].tolist() == [101, 101, 1] and track.coefficients[1, -1] == 1
    assert np.array_equal(track.rotation, np.float32([[0, 0.1, 0], [0.1, 0, 0.2]]))
