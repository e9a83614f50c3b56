"""Approximate Expression on real faces, against the coefficients of the real Face Landmarker.

The talking head is among the clips that the shipped table was trained on, the astronaut is not. Errors on
people left out of the training are in docs/expression.md.
"""

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sk_portrait import material
from sk_portrait.face_tools.coefficients import ARKIT_51
from sk_portrait.face_tools.editing import expression_table
from sk_portrait.face_tools.editing.approximate import approximate_coefficients
from sk_portrait.face_tools.recordings.presets import preset
from sk_portrait.face_tools.track import FaceTrack
from sk_portrait.face_tools.track_errors import NoFaceError, SchemeError, TrackSettingError
from sk_portrait.face_tools.trackers import sources
from sk_portrait.face_tools.trackers.faces import ModelFiles
from sk_portrait.face_tools.trackers.tracking import track_faces
from sk_portrait.testing.raised import raises
from sk_portrait.testing.real_faces import landmarker_models
from sk_portrait.testing.talking_head import talking_head

SMILE = ("mouthSmileLeft", "mouthSmileRight")


@cache
def tracked(name: str, source: str) -> FaceTrack:
    """The talking head, or the astronaut as a clip of one frame, by the mesh or by the Face Landmarker."""
    models = landmarker_models() if source == "mediapipe-tasks" else ModelFiles()
    if reason := sources.available(models)[source]:
        pytest.skip(reason)
    with sources.open_source(source, models) as tracker:
        return track_faces(frames_of(name), tracker, 25.0, on_miss="interpolate")


def frames_of(name: str) -> tuple[np.ndarray, ...]:
    if name == "talking head":
        return talking_head()
    from PIL import Image

    return (np.asarray(Image.open(material.portrait()).convert("RGB")),)


def value(track: FaceTrack, name: str) -> np.ndarray:
    return track.coefficients[:, ARKIT_51.index(name)]


@pytest.mark.parametrize(
    ("name", "least"),
    [("jawOpen", 0.9), ("eyeBlinkLeft", 0.9), ("eyeBlinkRight", 0.9), ("mouthPucker", 0.65)],
)
def test_the_mesh_gives_what_the_face_landmarker_gives(name, least):
    real = tracked("talking head", "mediapipe-tasks")
    got = approximate_coefficients(tracked("talking head", "mediapipe-mesh"))
    assert np.corrcoef(value(real, name), value(got, name))[0, 1] > least
    assert abs((value(got, name) - value(real, name)).mean()) < 0.08


def test_a_person_whom_training_never_saw():
    real = tracked("astronaut", "mediapipe-tasks")
    got = approximate_coefficients(tracked("astronaut", "mediapipe-mesh"))
    assert np.abs(got.coefficients - real.coefficients).mean() < 0.06
    for name in SMILE:
        assert value(real, name) > 0.5 and value(got, name) == pytest.approx(value(real, name), rel=0.2)


def test_a_constant_smile_stays_a_smile():
    one = tracked("astronaut", "mediapipe-mesh")
    got = approximate_coefficients(one.rows(np.zeros(40, int)))
    for name in SMILE:
        assert value(got, name).min() > 0.5


def test_what_the_face_landmarker_cannot_say_is_zero_and_named():
    got = approximate_coefficients(tracked("astronaut", "mediapipe-mesh"))
    silent = set(ARKIT_51) - set(expression_table.shipped_table().names)
    assert len(silent) == 10 and "cheekPuff" in silent
    assert not any(value(got, name).any() for name in silent)
    assert all(any(name in note for note in got.notes) for name in silent)


def test_a_chosen_neutral_frame_has_no_expression():
    track = tracked("talking head", "mediapipe-mesh")
    got, plain = approximate_coefficients(track, neutral_frame=7), approximate_coefficients(track)
    assert got.coefficients[7].max() < 1e-6 and plain.coefficients[7].max() > 0.1
    assert (got.coefficients <= plain.coefficients + 1e-6).all() and got.coefficients.max() > 0.3


def test_a_neutral_track_counts_where_it_is_connected():
    track = tracked("talking head", "mediapipe-mesh")
    other = track.rows(slice(7, 8))
    by_frame = approximate_coefficients(track, neutral_frame=7).coefficients
    for chosen in ({}, {"neutral_frame": 0}):
        got = approximate_coefficients(track, other, **chosen)
        np.testing.assert_allclose(got.coefficients, by_frame, atol=1e-5)


def test_real_coefficients_are_kept_unless_replaced():
    real = tracked("talking head", "mediapipe-tasks")
    kept, replaced = approximate_coefficients(real), approximate_coefficients(real, replace=True)
    assert np.array_equal(kept.coefficients, real.coefficients)
    assert any("were kept" in note for note in kept.notes)
    assert not np.array_equal(replaced.coefficients, real.coefficients)
    smile = preset("smile")
    assert np.array_equal(approximate_coefficients(smile).coefficients, smile.coefficients)


@given(turn=st.floats(-3.1, 3.1), scale=st.floats(0.1, 20), x=st.floats(-500, 500), y=st.floats(-500, 500))
@settings(max_examples=30)
def test_place_size_and_roll_of_the_face_do_not_count(turn, scale, x, y):
    track = tracked("astronaut", "mediapipe-mesh")
    c, s = scale * np.cos(turn), scale * np.sin(turn)
    moved = track.landmarks.copy()
    moved[..., :2] = moved[..., :2] @ np.float32([[c, s], [-s, c]]) + np.float32([x, y])
    got = approximate_coefficients(track.replace(landmarks=moved))
    np.testing.assert_allclose(got.coefficients, approximate_coefficients(track).coefficients, atol=0.01)


def test_two_dimensional_landmarks_are_enough():
    track = tracked("astronaut", "mediapipe-mesh")
    flat = approximate_coefficients(track.replace(landmarks=track.landmarks[..., :2]))
    assert np.array_equal(flat.coefficients, approximate_coefficients(track).coefficients)


def test_what_cannot_be_estimated_is_named():
    track = tracked("talking head", "mediapipe-mesh")
    with raises(TrackSettingError, setting="neutral_frame", value=120):
        approximate_coefficients(track, neutral_frame=120)
    unseen = track.replace(valid=np.arange(120) != 3)
    with raises(NoFaceError, frame=3):
        approximate_coefficients(unseen, neutral_frame=3)
    with raises(SchemeError, scheme="none"):
        approximate_coefficients(preset("smile"), replace=True)


def test_a_saved_table_answers_like_the_one_in_memory(tmp_path):
    table, landmarks = expression_table.shipped_table(), tracked("talking head", "mediapipe-mesh").landmarks
    table.save(tmp_path / "table.npz")
    again = expression_table.ExpressionTable.load(tmp_path / "table.npz")
    assert np.array_equal(again(landmarks), table(landmarks))
    assert expression_table.FILE.stat().st_size < 200_000
