"""Edits of tracks: smoothing, the edit language, time, mixing, presets."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sk_portrait.face_tools import track_file
from sk_portrait.face_tools.coefficients import ARKIT_51
from sk_portrait.face_tools.editing.adjust import adjust, matching_names, parse
from sk_portrait.face_tools.editing.edit import merge_expression, smooth, smooth_rows
from sk_portrait.face_tools.editing.timeline import cross_fade, retime, rows_at
from sk_portrait.face_tools.recordings.presets import PRESETS, preset
from sk_portrait.face_tools.track import FaceTrack
from sk_portrait.face_tools.track_errors import (
    ChoiceError,
    NoCoefficientsError,
    TrackError,
    TrackSettingError,
)
from sk_portrait.testing.raised import raises


def make(count=20, fps=25.0, source="test", seed=0, coefficients=True, points=478):
    rng = np.random.default_rng(seed)
    return FaceTrack(
        source=source,
        scheme="mediapipe478",
        fps=fps,
        size=(640, 480),
        valid=np.ones(count, bool),
        box=rng.random((count, 4)).astype(np.float32),
        landmarks=rng.random((count, points, 3)).astype(np.float32),
        rotation=(rng.random((count, 3)) - 0.5).astype(np.float32),
        translation=rng.random((count, 3)).astype(np.float32),
        coefficients=rng.random((count, 51)).astype(np.float32) if coefficients else None,
    )


def same(a, b, atol=1e-6):
    for name, value in a.arrays().items():
        np.testing.assert_allclose(getattr(b, name), value, atol=atol, err_msg=name)


def value(track, name):
    return track.coefficients[:, ARKIT_51.index(name)]


# --- smoothing ---


@given(st.floats(0.3, 6), st.integers(1, 30))
@settings(max_examples=30)
def test_a_parabola_passes_through_smoothing_unchanged(width, count):
    x = np.arange(count)
    curve = 0.3 + 0.2 * x - 0.01 * x**2
    np.testing.assert_allclose(smooth_rows(curve, width), curve, atol=1e-6)


def test_smoothing_does_not_lag_and_calms_noise():
    x = np.arange(200)
    clean = np.sin(x / 12)
    noisy = clean + np.random.default_rng(0).normal(0, 0.1, 200)
    calm = smooth_rows(noisy, 4)
    assert np.abs(calm - clean).mean() < 0.45 * np.abs(noisy - clean).mean()
    lags = [np.corrcoef(calm[10 + d : 190 + d], clean[10:190])[0, 1] for d in range(-5, 6)]
    assert np.argmax(lags) == 5


def test_smoothing_keeps_the_time_of_a_blink():
    track = make(30)
    blink = np.zeros((30, 51), np.float32)
    blink[13:18] = np.array([0.4, 0.9, 1, 0.9, 0.4], np.float32)[:, None]
    got = value(smooth(track.replace(coefficients=blink), expression=1), "eyeBlinkLeft")
    assert got.argmax() == 15 and got.max() > 0.9


def test_pose_expression_and_landmarks_are_smoothed_apart():
    track = make()
    for option, changed in (
        ("pose", {"rotation", "translation"}),
        ("expression", {"coefficients"}),
        ("landmarks", {"landmarks", "box"}),
    ):
        result = smooth(track, **{option: 2})
        differs = {
            name for name, old in track.arrays().items() if not np.array_equal(old, getattr(result, name))
        }
        assert differs == changed
    same(smooth(track), track, 0)


def test_smoothing_passes_half_a_turn():
    angles = np.linspace(3.0, 3.4, 15)
    track = make(15).replace(
        rotation=np.stack([angles * 0, angles * 0, (angles + np.pi) % (2 * np.pi) - np.pi], 1).astype(
            np.float32
        )
    )
    result = smooth(track, pose=2).rotation[:, 2]
    np.testing.assert_allclose(np.unwrap(result), angles, atol=1e-5)


# --- the edit language ---


def test_scale_offset_and_set():
    track = make()
    result = adjust(
        track, parse("jawOpen*0.5+0.05, cheekPuff=0.25; mouthPucker-0.1  # softer\nyaw*0.5, pitch+10, roll=0")
    )
    np.testing.assert_allclose(value(result, "jawOpen"), value(track, "jawOpen") * 0.5 + 0.05, atol=1e-6)
    assert (value(result, "cheekPuff") == 0.25).all()
    np.testing.assert_allclose(
        value(result, "mouthPucker"), (value(track, "mouthPucker") - 0.1).clip(0), atol=1e-6
    )
    expected = track.rotation * (1, 0.5, 0) + (np.deg2rad(10), 0, 0)
    np.testing.assert_allclose(result.rotation, expected, atol=1e-6)


def test_rules_apply_in_order_and_stay_in_range():
    result = adjust(make(), parse("jawOpen=0.5\njawOpen*3"))
    assert (value(result, "jawOpen") == 1).all()


def test_a_range_of_frames_fades_in_and_out():
    track = make(20).replace(coefficients=np.zeros((20, 51), np.float32))
    got = value(adjust(track, parse("eyeBlink=0.9 @ 8-10")), "eyeBlinkRight")
    np.testing.assert_allclose(got[5:14], [0, 0.3, 0.6, 0.9, 0.9, 0.9, 0.6, 0.3, 0], atol=1e-6)
    assert value(adjust(track, parse("jawOpen=1@0")), "jawOpen")[0] == 1


@pytest.mark.parametrize(
    ("word", "names"),
    [
        ("JAWOPEN", ("jawOpen",)),
        ("eyeBlink", ("eyeBlinkLeft", "eyeBlinkRight")),
        ("eyeBlink_L", ("eyeBlinkLeft",)),
        ("nose", ("noseSneerLeft", "noseSneerRight")),
        ("Yaw", ("yaw",)),
    ],
)
def test_names(word, names):
    assert matching_names(word) == names


def test_all_means_every_coefficient_and_no_angle():
    track = make()
    result = adjust(track, parse("all*0"))
    assert not result.coefficients.any() and np.array_equal(result.rotation, track.rotation)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("jawOpn*1.2", "no coefficient or angle 'jawOpn': did you mean 'jawOpen'"),
        ("jawOpen", "'jawOpen' is not an edit"),
        ("jawOpen**2", "'jawOpen\\*\\*2' is not an edit"),
        ("__import__('os')", "is not an edit"),
        ("jawOpen*1.2.3", "is not an edit"),
        ("jawOpen+1.2.3", "'1.2.3', which is not a number"),
        ("jawOpen=1 @ 9-3", "ends at frame 3, before it starts at 9"),
        ("jawOpen=1 @ 20", "names frame 20, but the track ends at frame 19"),
        ("xyz+1", "names are those of ARKit"),
    ],
)
def test_what_cannot_be_read_is_quoted(text, message):
    with pytest.raises(TrackError, match=message):
        adjust(make(), parse(text))


@given(st.text(alphabet="jawOpenyl*+-=@.,;# \n0123456789eE", max_size=30))
@settings(max_examples=300)
def test_any_text_is_an_edit_or_one_sentence(text):
    try:
        result = adjust(make(), parse(text))
    except TrackError:
        return
    assert len(result) == 20 and result.coefficients.min() >= 0 and result.coefficients.max() <= 1


def test_coefficients_that_are_not_there_cannot_be_edited():
    with raises(NoCoefficientsError, source="test"):
        adjust(make(coefficients=False), parse("jawOpen*2"))
    assert adjust(make(coefficients=False), parse("yaw*0")).rotation[:, 1].any() == np.False_


# --- time ---


def test_rows_between_rows():
    track = make(3)
    middle = rows_at(track, np.array([0.5]))
    np.testing.assert_allclose(middle.landmarks[0], track.landmarks[:2].mean(0), atol=1e-6)
    same(rows_at(track, np.arange(3.0)), track)


def test_angles_turn_the_short_way_round():
    track = make(2).replace(rotation=np.float32([[0, 0, 3.1], [0, 0, -3.1]]))
    assert abs(rows_at(track, np.array([0.5])).rotation[0, 2]) == pytest.approx(np.pi, abs=0.01)


def test_a_row_made_of_an_undetected_row_is_undetected():
    track = make(4).replace(valid=np.array([True, False, True, True]))
    assert list(rows_at(track, np.array([0, 0.5, 1, 1.5, 2, 2.5])).valid) == [
        True,
        False,
        False,
        False,
        True,
        True,
    ]


def test_retiming_in_every_way():
    track = make(20)
    same(retime(track)[0], track)
    half, source = retime(track, speed=0.5)
    assert len(half) == 39 and half.fps == 25 and list(source[:4]) == [0, 1, 1, 2]
    slow, _ = retime(track, fps=12.5)
    assert len(slow) == 10 and slow.fps == 12.5
    same(slow, track.rows(slice(0, 20, 2)).replace(fps=12.5))
    cut, source = retime(track, first=3, last=6)
    same(cut, track.rows(slice(3, 7)))
    assert list(source) == [3, 4, 5, 6]
    loop, source = retime(track, first=0, last=3, ends="loop", frames=10)
    assert list(source) == [0, 1, 2, 3, 0, 1, 2, 3, 0, 1]
    there_and_back, source = retime(track, first=0, last=3, ends="ping-pong", frames=9)
    assert list(source) == [0, 1, 2, 3, 2, 1, 0, 1, 2]
    same(there_and_back, track.rows(source))
    assert len(retime(track, first=2, last=2, ends="ping-pong", frames=5)[0]) == 5
    assert len(retime(track, ends="loop")[0]) == 20 and len(retime(track, ends="ping-pong")[0]) == 38


def test_one_row_can_be_made_long():
    long, source = retime(make(1), ends="loop", frames=7)
    assert len(long) == 7 and not source.any()


@pytest.mark.parametrize(
    ("options", "setting", "value"),
    [
        ({"first": 5, "last": 30}, "first_frame", 5),
        ({"frames": 30}, "frames", 30),
        ({"speed": 0}, "speed", 0),
    ],
)
def test_impossible_times_are_named(options, setting, value):
    with raises(TrackSettingError, setting=setting, value=value):
        retime(make(), **options)


def test_an_unknown_way_to_play_a_track_is_named():
    with raises(ChoiceError, value="bounce", choices=("once", "loop", "ping-pong")):
        retime(make(), ends="bounce")


def test_cross_fade_meets_in_the_middle():
    a, b = make(10), make(8, seed=1)
    joined = cross_fade(a, b, 3)
    assert len(joined) == 15
    same(joined.rows(slice(0, 7)), a.rows(slice(0, 7)))
    same(joined.rows(slice(10, 15)), b.rows(slice(3, 8)))
    np.testing.assert_allclose(joined.landmarks[8], (a.landmarks[8] + b.landmarks[1]) / 2, atol=1e-6)
    assert len(cross_fade(a, b, 0)) == 18 and len(cross_fade(a, b, 8)) == 10


def test_only_like_joins_like():
    a = make(10)
    with pytest.raises(TrackError, match="different sources, 'test' and 'other'"):
        cross_fade(a, make(10, source="other"), 2)
    with pytest.raises(TrackError, match="25 and 30 frames per second"):
        cross_fade(a, make(10, fps=30.0), 2)
    with pytest.raises(TrackError, match="Only one of the two"):
        cross_fade(a, make(10, coefficients=False), 2)
    with raises(TrackSettingError, setting="frames", value=11):
        cross_fade(a, make(10), 11)


# --- mixing ---


def test_expression_of_one_with_the_head_of_another():
    pose, expression = make(20), make(12, fps=15.0, source="live-link-face", seed=3)
    mixed = merge_expression(pose, expression)
    for name in ("landmarks", "box", "rotation", "translation"):
        assert np.array_equal(getattr(mixed, name), getattr(pose, name))
    np.testing.assert_allclose(mixed.coefficients[::5], expression.coefficients[[0, 3, 6, 9]], atol=1e-6)
    assert mixed.source == "test" and mixed.fps == 25 and "come from live-link-face" in mixed.notes[-1]


def test_strength_goes_from_one_expression_to_the_other():
    pose, other = make(5), make(5, seed=2)
    np.testing.assert_allclose(merge_expression(pose, other, 0).coefficients, pose.coefficients, atol=1e-6)
    half = merge_expression(pose, other, 0.5).coefficients
    np.testing.assert_allclose(half, (pose.coefficients + other.coefficients) / 2, atol=1e-6)


def test_adding_a_preset_stays_in_range():
    pose = make(5)
    got = merge_expression(pose, preset("smile"), strength=0.5, add=True)
    expected = (value(pose, "mouthSmileLeft") + 0.35).clip(0, 1)
    np.testing.assert_allclose(value(got, "mouthSmileLeft"), expected, atol=1e-6)
    np.testing.assert_allclose(value(got, "jawOpen"), value(pose, "jawOpen"), atol=1e-6)


def test_a_track_without_coefficients_takes_those_of_another():
    assert (
        merge_expression(make(5, coefficients=False), preset("mouth open"))
        .coefficients[:, ARKIT_51.index("jawOpen")]
        .min()
        > 0.69
    )
    with raises(NoCoefficientsError, source="test"):
        merge_expression(make(5), make(5, coefficients=False))


def test_an_expression_that_ends_early_is_named():
    with raises(TrackSettingError, setting="expression", value=0.4):
        merge_expression(make(20), make(10))
    assert len(merge_expression(make(20), make(19))) == 20  # one frame less is the rounding of two recorders


def test_what_was_undetected_in_either_is_undetected():
    expression = make(20).replace(valid=np.arange(20) != 7)
    assert list(
        np.flatnonzero(~merge_expression(make(20).replace(valid=np.arange(20) != 3), expression).valid)
    ) == [3, 7]


@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_one_frame_in_range(name):
    track = preset(name, 1.5)
    assert len(track) == 1 and track.coefficients.min() >= 0 and track.coefficients.max() <= 1
    known = set(ARKIT_51) | {n.removesuffix("Left") for n in ARKIT_51}
    assert set(PRESETS[name]) <= known
    assert bool(track.coefficients.any()) == (name != "neutral")


def test_presets_have_two_sides_and_unknown_ones_a_list():
    assert (
        value(preset("smile"), "mouthSmileLeft")
        == value(preset("smile"), "mouthSmileRight")
        == np.float32(0.7)
    )
    assert value(preset("wink"), "eyeBlinkRight") == 0
    with raises(ChoiceError, what="preset", value="grin"):
        preset("grin")


def test_save_and_load_keep_an_edited_track(tmp_path):
    track = merge_expression(make(5), preset("smile"))
    track_file.save(track, tmp_path / "t.npz")
    loaded = track_file.load(tmp_path / "t.npz")
    same(loaded, track, 0)
    assert loaded.notes == track.notes
    track_file.save(preset("smile"), tmp_path / "p.npz")
    assert track_file.load(tmp_path / "p.npz").landmarks.shape == (1, 0, 2)


def test_a_width_of_almost_nothing_changes_nothing():
    rows = np.random.default_rng(0).normal(size=(9, 3))
    assert np.array_equal(smooth_rows(rows, 5e-211), rows)
