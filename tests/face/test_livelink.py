"""Live Link Face CSV and ARKit JSON: read by name, placed in time, never shifted silently."""

import csv
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sk_portrait.face_tools.coefficients import ARKIT_51, LIVE_LINK_51
from sk_portrait.face_tools.geometry import rotation_matrix
from sk_portrait.face_tools.recordings.arkit_json import read_arkit_json
from sk_portrait.face_tools.recordings.livelink import read_live_link, seconds
from sk_portrait.face_tools.recordings.recording import Recording
from sk_portrait.face_tools.track import FaceTrack
from sk_portrait.face_tools.track_errors import TrackError, TrackFileError, TrackSettingError, TrackTextError
from sk_portrait.testing.raised import raises

ANGLES = ("HeadYaw", "HeadPitch", "HeadRoll", "LeftEyeYaw", "LeftEyePitch", "LeftEyeRoll", "RightEyeYaw", "RightEyePitch",
          "RightEyeRoll")  # fmt: skip
HEADER = ("Timecode", "BlendShapeCount", *(n[0].upper() + n[1:] for n in LIVE_LINK_51), "TongueOut", *ANGLES)


def timecode(k, fps=60, start=3600 * 10):
    second, frame = divmod(k, fps)
    total = start + second
    return f"{total // 3600 % 24:02}:{total // 60 % 60:02}:{total % 60:02}:{frame:02}.000"


def write(path, values, header=HEADER, codes=None):
    """values: one {column: value} a row; other columns are 0."""
    with open(path, "w", newline="") as file:
        out = csv.writer(file)
        out.writerow(header)
        for k, row in enumerate(values):
            cells = {
                "Timecode": (codes or [timecode(i) for i in range(len(values))])[k],
                "BlendShapeCount": "61",
                **row,
            }
            out.writerow([cells.get(name, 0) for name in header])
    return path


def column(track, name):
    return track.coefficients[:, ARKIT_51.index(name)]


def test_a_take_written_and_read_back(tmp_path):
    values = np.random.default_rng(0).random((90, 51)).round(6)
    rows = [{n[0].upper() + n[1:]: v for n, v in zip(ARKIT_51, row)} for row in values]
    recording = read_live_link(write(tmp_path / "take.csv", rows))
    np.testing.assert_allclose(recording.coefficients, values)
    np.testing.assert_allclose(recording.times - recording.times[0], np.arange(90) / 60, atol=1e-9)
    track = recording.to_track(60)
    assert isinstance(track, FaceTrack) and len(track) == 90 and track.valid.all()
    np.testing.assert_allclose(track.coefficients, values, atol=1e-6)
    assert track.source == "live-link-face" and any("Experimental" in note for note in track.notes)


def test_columns_in_any_order_case_and_company(tmp_path):
    header = ["Extra", *reversed(LIVE_LINK_51), "HeadRoll", "BlendshapeCount", "TIMECODE"]
    rows = [
        {"jawOpen": 0.25, "TIMECODE": timecode(0), "Extra": "text"},
        {"jawOpen": 0.5, "TIMECODE": timecode(30)},
    ]
    recording = read_live_link(write(tmp_path / "take.csv", rows, header))
    assert list(recording.coefficients[:, ARKIT_51.index("jawOpen")]) == [0.25, 0.5]
    assert recording.rotation is None and "no head angles" in recording.notes[-1]


def test_resampling_goes_by_time_not_by_row(tmp_path):
    kept = [k for k in range(121) if k not in (20, 51)]  # two frames dropped by the phone
    codes = [timecode(k) for k in kept]
    track = read_live_link(
        write(tmp_path / "take.csv", [{"JawOpen": k / 120} for k in kept], codes=codes)
    ).to_track(15)
    np.testing.assert_allclose(column(track, "jawOpen"), np.arange(31) / 30, atol=1e-6)
    assert track.fps == 15 and track.valid.all()


def test_a_long_gap_is_interpolated_and_said(tmp_path):
    kept = [*range(20), *range(50, 80)]
    codes = [timecode(k) for k in kept]
    track = read_live_link(
        write(tmp_path / "take.csv", [{"JawOpen": k / 80} for k in kept], codes=codes)
    ).to_track(30)
    np.testing.assert_array_equal(np.flatnonzero(~track.valid), np.arange(10, 25))
    np.testing.assert_allclose(column(track, "jawOpen"), np.arange(40) * 2 / 80, atol=1e-6)


def test_rows_without_a_face_are_a_gap(tmp_path):
    path = write(tmp_path / "take.csv", [{"JawOpen": k / 60} for k in range(60)])
    lines = path.read_text().splitlines()
    for k in range(20, 40):
        lines[k + 1] = ",".join([timecode(k), "0"] + [""] * (len(HEADER) - 2))
    path.write_text("\n".join(lines))
    track = read_live_link(path).to_track(60)
    assert len(track) == 60 and set(np.flatnonzero(~track.valid)) == set(range(20, 40))


def test_offset_forward_and_back(tmp_path):
    recording = read_live_link(write(tmp_path / "take.csv", [{"JawOpen": k / 60} for k in range(61)]))
    later = recording.to_track(30, offset=0.5)
    assert len(later) == 16 and column(later, "jawOpen")[0] == pytest.approx(0.5)
    earlier = recording.to_track(30, offset=-0.2)
    assert list(np.flatnonzero(~earlier.valid)) == [0, 1, 2, 3, 4, 5]
    assert column(earlier, "jawOpen")[6] == pytest.approx(0)
    with raises(TrackSettingError, setting="offset", value=3):
        recording.to_track(30, offset=3)


def test_values_out_of_range_are_clipped_and_counted(tmp_path):
    path = write(tmp_path / "take.csv", [{"JawOpen": 1.4, "CheekPuff": -0.2}, {"JawOpen": 0.5}])
    recording = read_live_link(path)
    assert recording.coefficients.max() == 1 and recording.coefficients.min() == 0
    assert any(
        "2 of 102 coefficients lay outside 0..1 (down to -0.20, up to 1.40)" in note
        for note in recording.notes
    )


def test_head_angles_in_radians_or_degrees(tmp_path):
    angles = {"HeadYaw": 0.3, "HeadPitch": -0.1, "HeadRoll": 0.05}
    recording = read_live_link(write(tmp_path / "radians.csv", [angles] * 2))
    np.testing.assert_allclose(recording.rotation[0], [-0.1, 0.3, 0.05])
    degrees = {name: np.rad2deg(value) for name, value in angles.items()}
    np.testing.assert_allclose(
        read_live_link(write(tmp_path / "degrees.csv", [degrees] * 2)).rotation, recording.rotation
    )
    assert not recording.to_track(30, head=False).rotation.any()
    np.testing.assert_allclose(recording.to_track(30).rotation[0], [-0.1, 0.3, 0.05], atol=1e-6)


def test_head_angles_interpolate_through_half_a_turn():
    recording = Recording("x", np.array([0.0, 1.0]), np.zeros((2, 51)), np.array([[0, 0, 3.1], [0, 0, -3.1]]))
    assert abs(abs(recording.to_track(2).rotation[1, 2]) - np.pi) < 0.01


TIMECODES = {
    "fraction of a frame": (["01:00:00:00.000", "01:00:00:30.500"], 60, [3600, 3600 + 30.5 / 60]),
    "24 fps": (["00:00:01:12", "00:00:02:00"], 24, [1.5, 2]),
    "midnight": (["23:59:59:30.0", "00:00:00:00.0"], 60, [86399.5, 86400]),
    "decimal seconds": (["00:00:01.250", "00:00:01.500"], 60, [1.25, 1.5]),
    "milliseconds": (["00:00:01:250", "00:00:01:500"], 60, [1.25, 1.5]),
    "frame number": (["120", "121"], 60, [2, 121 / 60]),
    "drop frame": (["01:00:00;15.0"], 30, [3600.5]),
}


@pytest.mark.parametrize("codes, fps, expected", TIMECODES.values(), ids=TIMECODES)
def test_timecodes(codes, fps, expected):
    np.testing.assert_allclose(seconds(codes, fps)[0], expected)


def test_a_wrong_take_rate_is_noticed():
    at_60 = [timecode(k, 60) for k in range(240)]
    at_30 = [timecode(k, 30) for k in range(120)]
    assert "up to frame 59 within a second, more than 30" in seconds(at_60, 30)[1][0]
    assert "probably recorded at 30 frames per second, not at 60" in seconds(at_30, 60)[1][0]
    assert seconds(at_60, 60)[1] == seconds(at_30, 30)[1] == ()


def test_rows_out_of_order_go_by_their_time(tmp_path):
    codes = [timecode(k) for k in (0, 2, 1, 3, 3)]
    recording = read_live_link(
        write(tmp_path / "t.csv", [{"JawOpen": v} for v in (0, 0.2, 0.1, 0.3, 0.4)], codes=codes)
    )
    np.testing.assert_allclose(recording.coefficients[:, ARKIT_51.index("jawOpen")], [0, 0.1, 0.2, 0.4])
    assert any("5 rows were sorted by time, 4 times are distinct" in note for note in recording.notes)


NAMES = ",".join(HEADER) + "\n"
TAKES = {
    "empty": ("", "holds 0 rows"),
    "other table": ("a,b\n1,2\n", "not a Live Link Face recording"),
    "columns missing": (",".join(HEADER[:10]) + "\n" + "0," * 10, "lacks the columns browDownLeft"),
    "no number": (NAMES + "00:00:00:00,61," + "x," * 61, "row 2, column BrowDownLeft: 'x' is not a number"),
    "no timecode": (NAMES + "noon,61," + "0," * 61, "'noon' is not a timecode"),
    "endless timecode": (NAMES + "1e999,61," + "0," * 61, "'1e999' is not a timecode"),
    "nan": (NAMES + "00:00:00:00,61," + "nan," * 61, "'nan' is not a finite number"),
    "no face": (NAMES + "00:00:00:00,0," + "," * 60, "holds no frame with a face"),
}


@pytest.mark.parametrize("text, message", TAKES.values(), ids=TAKES)
def test_bad_takes_get_one_sentence(tmp_path, text, message):
    path = tmp_path / "take.csv"
    path.write_text(text)
    with pytest.raises((TrackFileError, TrackTextError, TrackSettingError), match=message):
        read_live_link(path)


def test_both_json_forms_agree(tmp_path):
    values = np.random.default_rng(2).random((3, 51))
    matrix = np.eye(4)
    matrix[:3, :3] = rotation_matrix([0.1, -0.2, 0.3])
    names = [n.replace("Left", "_L").replace("Right", "_R") for n in ARKIT_51]
    frames = [
        {
            "time": 5 + k / 30,
            "blendShapes": {**dict(zip(names, row)), "tongueOut": 0.5},
            "transform": matrix.T.ravel().tolist(),
        }
        for k, row in enumerate(values)
    ]
    (tmp_path / "a.json").write_text(json.dumps(frames))
    (tmp_path / "b.json").write_text(
        json.dumps({"fps": 30, "names": list(ARKIT_51), "frames": values.tolist()})
    )
    a, b = read_arkit_json(tmp_path / "a.json"), read_arkit_json(tmp_path / "b.json")
    np.testing.assert_allclose(a.coefficients, values)
    np.testing.assert_allclose(b.coefficients, values)
    np.testing.assert_allclose(a.times - a.times[0], b.times, atol=1e-9)
    np.testing.assert_allclose(a.rotation[0], [0.1, -0.2, 0.3], atol=1e-9)
    assert b.rotation is None and len(a.to_track(30)) == 3


STILL = {"time": 0, "blendShapes": dict.fromkeys(ARKIT_51, 0)}
FILES = {
    "broken": ("[", "cannot be read as JSON"),
    "empty": ("{}", "expected a list of frames"),
    "numbers": ("[1, 2]", "expected a list of frames"),
    "names missing": ('[{"time": 0, "blendShapes": {"jawOpen": 1}}]', "frame 0 lacks browDownLeft"),
    "row too long": (
        '{"fps": 30, "names": ["jawOpen"], "frames": [[1, 2]]}',
        "frame 0: 2 numbers for 1 names",
    ),
    "time stands": (json.dumps([STILL] * 2), "times must rise, but frame 1 is at 0 s"),
    "long transform": (json.dumps([STILL | {"transform": [1.0] * 32}]), "16 finite numbers"),
    "endless time": (json.dumps([{"time": 10**400, "blendShapes": {}}]), "expected a list of frames"),
}


@pytest.mark.parametrize("data, message", FILES.values(), ids=FILES)
def test_bad_json_gets_one_sentence(tmp_path, data, message):
    path = tmp_path / "take.json"
    path.write_text(data)
    with pytest.raises((TrackFileError, TrackTextError, TrackSettingError), match=message):
        read_arkit_json(path)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(["jawOpen", "x"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["fps", "names", "frames", "time", "blendShapes", "transform"]), inner, max_size=4
        )
    ),
    max_leaves=12,
)


@given(JSON)
@settings(max_examples=200)
def test_no_json_does_worse_than_one_sentence(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("json") / "take.json"
    path.write_text(json.dumps(data))
    with pytest.raises(TrackError):
        read_arkit_json(path)


@given(st.lists(st.text(alphabet="0123456789:;.-+e x", max_size=14), min_size=1, max_size=4))
@settings(max_examples=200)
def test_timecodes_are_finite_or_refused(codes):
    try:
        times, _ = seconds(codes, 60)
    except TrackError:
        return
    assert np.isfinite(times).all() and len(times) == len(codes)
