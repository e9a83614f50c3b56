"""A straight look is 0: how a tracker's tilted head becomes an upright one, and tracks with either zero."""

import numpy as np
import pytest

from sk_portrait.drawn_heads import Identity, State, truth
from sk_portrait.face_tools import track_file
from sk_portrait.face_tools.editing.timeline import cross_fade
from sk_portrait.face_tools.geometry import rotation_angles, rotation_matrix
from sk_portrait.face_tools.report import describe
from sk_portrait.face_tools.track_errors import TrackFileError
from sk_portrait.face_tools.trackers import straight_look
from sk_portrait.face_tools.trackers.straight_look import alike, straight_pitch, with_zero
from sk_portrait.testing.raised import raises

TILT = np.radians(8.6)
MESH = "mediapipe-mesh"


def turned(count: int = 60) -> np.ndarray:
    """(count, 3) radians: heads turned every way, yaw within 80 degrees."""
    return np.random.default_rng(4).uniform([-1, -1.4, -3], [1, 1.4, 3], (count, 3))


def track_of(rotation: np.ndarray, source: str = MESH):
    states = [State(rotation=row.astype(np.float32)) for row in rotation]
    return truth(Identity.of(1), states, 512).replace(source=source)


def test_a_tilted_model_of_the_head_is_undone_in_the_frame_of_the_head():
    """A tracker says R Rx(tilt) of a head held at R; the zero takes the tilt from the right, for any R."""
    heads = rotation_matrix(turned())
    seen = track_of(rotation_angles(heads @ rotation_matrix([TILT, 0, 0])))
    assert np.abs(rotation_matrix(with_zero(seen, TILT).rotation) - heads).max() < 1e-6
    in_the_camera = rotation_matrix([-TILT, 0, 0]) @ rotation_matrix(seen.rotation)
    assert np.abs(in_the_camera - heads).max() > 0.1


def test_yaw_and_roll_stay_as_they_were_measured():
    track = track_of(turned())
    changed = with_zero(track, TILT)
    assert np.array_equal(changed.rotation[:, 1:], track.rotation[:, 1:])
    assert np.allclose(track.rotation[:, 0] - changed.rotation[:, 0], TILT, atol=1e-6)


def test_the_way_there_and_back_is_exact():
    track = track_of(turned())
    back = with_zero(with_zero(track, TILT), 0.0)
    assert np.abs(back.rotation - track.rotation).max() < 1e-6 and back.pitch_zero == 0


def test_landmarks_belong_to_the_trackers_own_head_whatever_the_zero():
    track = track_of(turned(9))
    assert np.abs(with_zero(track, TILT).own_rotation - track.own_rotation).max() < 1e-6


def test_tracks_of_different_zeros_meet_with_a_note():
    old, new = track_of(turned(5)), with_zero(track_of(turned(5)), TILT)
    same, notes = alike(old, new)
    assert np.abs(same.rotation - new.rotation).max() < 1e-6 and "-8.6 degrees" in notes[0]
    assert alike(new, new) == (new, ())
    joined = cross_fade(new, old, 0)
    assert np.abs(joined.rotation[5:] - new.rotation).max() < 1e-6 and joined.pitch_zero == TILT
    assert any("different zeros" in note for note in joined.notes)


def test_a_track_of_format_1_keeps_its_numbers_and_says_so(tmp_path):
    track = track_of(turned(3))
    track_file.save(track, tmp_path / "new.npz")
    fields = dict(np.load(tmp_path / "new.npz"))
    assert fields.pop("pitch_zero") == 0
    np.savez_compressed(tmp_path / "old.npz", **{**fields, "format_version": 1})
    old = track_file.load(tmp_path / "old.npz")
    assert np.array_equal(old.rotation, track.rotation) and old.pitch_zero == 0
    assert "a straight look is +8.6 degrees" in describe(old)


def test_a_new_track_brings_its_zero_back_from_its_file(tmp_path):
    track = with_zero(track_of(turned(3)), TILT)
    track_file.save(track, tmp_path / "t.npz")
    loaded = track_file.load(tmp_path / "t.npz")
    assert loaded.pitch_zero == TILT and np.array_equal(loaded.rotation, track.rotation)
    assert "a straight look is 0: 8.6 degrees of the tracker's own pitch" in describe(loaded)


def test_recordings_and_the_networks_own_tracks_have_no_tilt():
    assert {straight_pitch(name) for name in ("hello-onnx", "drawn", "live-link-face")} == {0.0}
    assert "straight look" not in describe(track_of(turned(2), "hello-onnx"))


def test_a_calibration_replaces_the_usual_values_of_the_trackers_that_it_names(tmp_path):
    path = tmp_path / straight_look.CALIBRATION
    straight_look.save({MESH: 7.25}, "measured on clip.mp4", path)
    assert np.degrees(straight_pitch(MESH, path)) == pytest.approx(7.25)
    assert straight_pitch("mediapipe-tasks", path) == straight_pitch("mediapipe-tasks")
    for content in ("{}", "[]", '{"degrees": {"a": 60}}', '{"degrees": {"a": NaN}}'):
        path.write_text(content)
        with raises(TrackFileError, file=str(path)):
            straight_pitch(MESH, path)


def test_the_trackers_see_a_straight_look_at_0():
    """scikit-image's astronaut, and drawn heads, whose pose is known: within 3 degrees of pitch."""
    pytest.importorskip("mediapipe.python.solutions.face_mesh", reason="FaceMesh needs mediapipe 0.10.21")
    from skimage.data import astronaut

    from sk_portrait.drawn_heads import draw
    from sk_portrait.face_tools.trackers import mediapipe_mesh
    from sk_portrait.face_tools.trackers.faces import ModelFiles
    from sk_portrait.face_tools.trackers.tracking import track_faces

    with mediapipe_mesh.open_source(ModelFiles()) as mesh:
        pictures = [astronaut(), *(draw(Identity.of(seed), State(), 512) for seed in range(5))]
        tracks = [track_faces([picture], mesh, 1.0) for picture in pictures]
    pitch = np.degrees([track.rotation[0, 0] for track in tracks])
    assert abs(pitch[0]) < 3 and abs(np.median(pitch[1:])) < 3
    assert all(np.degrees(track.pitch_zero) == pytest.approx(8.6) for track in tracks)
