"""One person, one row per frame: what happens to missed frames, several people, small faces, and the real talking head."""

import weakref

import numpy as np
import pytest

from sk_portrait.face_tools.editing.edit import merge_expression
from sk_portrait.face_tools.report import describe
from sk_portrait.face_tools.track import FaceTrack
from sk_portrait.face_tools.track_errors import (
    ChoiceError,
    FrameSizeError,
    NoCoefficientsError,
    NoFaceError,
    TrackSettingError,
)
from sk_portrait.face_tools.trackers import sources
from sk_portrait.face_tools.trackers.faces import Face, ModelFiles
from sk_portrait.face_tools.trackers.follow import Choice
from sk_portrait.face_tools.trackers.schemes import SCHEMES
from sk_portrait.face_tools.trackers.tiles import Finder, tiles
from sk_portrait.face_tools.trackers.tracking import ranges, track_faces
from sk_portrait.testing.raised import raises
from sk_portrait.testing.talking_head import talking_head

SHAPE = np.random.default_rng(5).uniform(-1, 1, (222, 2)).astype(np.float32)
SHAPE[list(SCHEMES["hello222"].parts[1:])] = [(-0.6, -0.4), (0.6, -0.4), (0.4, 0.6), (-0.4, 0.6)]


def face_at(x, y, half, yaw=0.0, roll=0.0) -> Face:
    turn = np.float32([[np.cos(roll), -np.sin(roll)], [np.sin(roll), np.cos(roll)]])
    points = SHAPE @ turn * half + np.float32([x, y])
    return Face(points, np.float32([0, yaw, roll]), np.float32([0, 0, -4]), np.full(51, x / 1000, np.float32))


class Scripted:
    """A tracker that knows the answer; it reads three frames ahead, as one that works in batches."""

    name, scheme, gives_coefficients, notes = "scripted", "hello222", True, ()
    pitch_zero = 0.0

    def __init__(self, answers):
        self.answers = answers

    def track(self, frames):
        batch, k = [], 0
        for frame in frames:
            batch.append(frame)
            if len(batch) == 3:
                yield from self.answers[k : k + 3]
                batch, k = [], k + 3
        yield from self.answers[k : k + len(batch)]

    def glance(self, frame):
        return []


def blank(count, width=320, height=240):
    return (np.zeros((height, width, 3), np.uint8) for _ in range(count))


def follow(answers, **options) -> FaceTrack:
    return track_faces(blank(len(answers)), Scripted(answers), 25.0, **options)


MISSING = [[face_at(10 * k, 60, 30, yaw=0.1 * k)] if k not in (0, 3, 4, 7) else [] for k in range(8)]


def test_missed_frames_are_named_and_stop():
    with raises(NoFaceError, frame=0):
        follow(MISSING)


def test_hold_keeps_the_last_row_and_says_which_frames():
    track = follow(MISSING, on_miss="hold")
    assert track.valid.tolist() == [False, True, True, False, False, True, True, False]
    centres = track.coefficients[:, 0] * 1000
    assert np.allclose(centres, [10, 10, 20, 20, 20, 50, 60, 60])
    assert "0, 3-4, 7" in track.notes[0]


def test_interpolate_bridges_every_number():
    track = follow(MISSING, on_miss="interpolate")
    assert np.allclose(track.coefficients[:, 0] * 1000, [10, 10, 20, 30, 40, 50, 60, 60], atol=1e-4)
    assert np.allclose(track.rotation[:, 1], [0.1, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.6], atol=1e-6)
    assert np.allclose(track.landmarks[3], SHAPE * 30 + [30, 60], atol=1e-4)


def test_angles_are_interpolated_the_short_way_round():
    track = follow(
        [[face_at(60, 60, 30, roll=3.0)], [], [face_at(60, 60, 30, roll=-3.0)]], on_miss="interpolate"
    )
    assert abs(track.rotation[1, 2]) == pytest.approx(np.pi, abs=1e-5)


def test_no_face_at_all_stops_under_every_policy():
    for policy in ("stop", "hold", "interpolate"):
        with raises(NoFaceError, frame=None):
            follow([[]] * 5, on_miss=policy)


def test_an_empty_clip_and_a_change_of_size_are_errors():
    with raises(NoFaceError, frame=None):
        follow([])
    frames = [np.zeros((240, 320, 3), np.uint8), np.zeros((240, 300, 3), np.uint8)]
    with raises(FrameSizeError, size=(300, 240), expected=(320, 240)):
        track_faces(frames, Scripted([[face_at(50, 50, 20)]] * 2), 25.0)


def test_two_thousand_frames_make_two_thousand_rows_and_one_makes_one():
    answers = [[face_at(100 + k % 50, 60, 30)] for k in range(2000)]
    assert np.allclose(follow(answers).coefficients[:, 0] * 1000, [100 + k % 50 for k in range(2000)])
    assert len(follow(answers[:1])) == 1


def test_no_frame_is_kept():
    alive, most = 0, 0

    def gone():
        nonlocal alive
        alive -= 1

    def counted(count):
        nonlocal alive, most
        for frame in blank(count):
            weakref.finalize(frame, gone)
            alive += 1
            most = max(most, alive)
            yield frame

    answers = [[face_at(100, 60, 30)]] * 200
    assert len(track_faces(counted(200), Scripted(answers), 25.0)) == 200
    assert most <= 5  # the tracker's batch of three, the one being made, the one being followed


def test_cancel_goes_through():
    def tick(done):
        if done == 2:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        track_faces(blank(5), Scripted([[face_at(50, 50, 20)]] * 5), 25.0, tick=tick)


@pytest.mark.parametrize(
    "choice, x",
    [
        (Choice("largest"), 200),
        (Choice("leftmost"), 40),
        (Choice("nearest the centre"), 150),
        (Choice("by number", 2), 150),
    ],
)
def test_which_face(choice, x):
    faces = [face_at(150, 110, 20), face_at(200, 60, 40), face_at(40, 60, 30)]
    assert follow([faces], choice=choice).coefficients[0, 0] * 1000 == pytest.approx(x)


def test_a_face_number_that_is_not_there():
    with raises(TrackSettingError, setting="face_number", value=3):
        follow([[face_at(50, 50, 20)]], choice=Choice("by number", 3))


def painted(people, width=480, height=160):
    """A frame with one flat-coloured, striped face for each (x, y, half, seed); later ones cover earlier ones."""
    frame = np.full((height, width, 3), 90, np.uint8)
    for x, y, half, seed in people:
        tile = (
            np.random.default_rng(seed)
            .integers(0, 255, (8, 8, 3), np.uint8)
            .repeat(2 * half // 8, 0)
            .repeat(2 * half // 8, 1)
        )
        frame[y - half : y + half, x - half : x + half] = tile[: 2 * half, : 2 * half]
    return frame


def crossing(hidden):
    """Person 1 walks right behind person 2 who walks left; in `hidden` frames only person 2 is seen."""
    frames, answers = [], []
    for k in range(40):
        one, two = 60 + 9 * k, 420 - 9 * k
        frames.append(painted([(one, 80, 32, 1), (two, 80, 32, 2)]))
        faces = [face_at(two, 80, 32)] if k in hidden else [face_at(two, 80, 32), face_at(one, 80, 32)]
        answers.append(faces)
    return frames, answers


def test_the_same_person_through_a_crossing():
    frames, answers = crossing(hidden=range(17, 23))
    track = track_faces(frames, Scripted(answers), 25.0, Choice("leftmost"), "interpolate")
    assert np.flatnonzero(~track.valid).tolist() == list(range(17, 23))
    assert np.allclose(track.coefficients[:, 0] * 1000, [60 + 9 * k for k in range(40)], atol=0.5)


def test_a_lone_face_may_jump():
    answers = [[face_at(60 if k < 4 else 260, 60, 30)] for k in range(8)]
    assert follow(answers).valid.all()


def test_frame_numbers_in_short():
    assert ranges([3, 17, 18, 19, 40]) == "3, 17-19, 40"


@pytest.mark.parametrize("width, height", [(1280, 720), (720, 1280), (512, 512)])
def test_tiles_cover_the_picture_and_magnify(width, height):
    for grid in (2, 3):
        seen = np.zeros((height, width), bool)
        for x0, y0, x1, y1 in tiles(width, height, grid):
            assert max(x1 - x0, y1 - y0) <= 2 * max(width, height) / (grid + 1) + 1
            seen[y0:y1, x0:x1] = True
        assert seen.all()


def test_small_faces_are_found_in_tiles_and_mapped_back():
    """A detector that, as BlazeFace, sees nothing smaller than a tenth of its picture."""

    def detect(image):
        rows, columns = np.nonzero(image[..., 0])
        if len(rows) == 0 or np.ptp(columns) < 0.1 * max(image.shape):
            return []
        return [Face(np.float32([[columns.min(), rows.min()], [columns.max(), rows.max()]]))]

    frame = np.zeros((720, 1280, 3), np.uint8)
    frame[400:470, 900:970] = 255
    assert detect(frame) == []
    (face,) = Finder(detect)(frame, detect(frame))
    assert face.box.tolist() == [900, 400, 969, 469]


def test_coefficients_of_a_recording_go_by_time():
    track = follow([[face_at(50, 50, 20)]] * 5)
    recording = follow([[face_at(100 * k, 50, 20)] for k in range(11)]).replace(fps=50.0, source="livelink")
    merged = merge_expression(track, recording)
    assert (
        np.allclose(merged.coefficients[:, 0] * 1000, [0, 200, 400, 600, 800]) and merged.source == "scripted"
    )
    assert merged.notes[-1] == "The expression coefficients come from livelink."
    with pytest.raises(
        TrackSettingError, match="from livelink lasts 0.06 s, the head pose from scripted 0.20 s"
    ):
        merge_expression(track, recording.rows(slice(3)))
    with raises(NoCoefficientsError, source="livelink"):
        merge_expression(track, recording.replace(coefficients=None))


def test_unknown_names_are_refused():
    with raises(ChoiceError, value="dlib", choices=("auto", *sources.MODULES)):
        sources.open_source("dlib", ModelFiles())
    with raises(ChoiceError, value="skip", choices=("stop", "hold", "interpolate")):
        follow(MISSING, on_miss="skip")


# From here on: MediaPipe's own FaceMesh.


@pytest.fixture(scope="module")
def real(mesh) -> FaceTrack:
    return track_faces(talking_head(), mesh, 30000 / 1001)


def test_no_frame_of_the_real_clip_is_missed(real):
    assert len(real) == 120 and real.valid.all() and real.source == "mediapipe-mesh"
    assert real.landmarks.shape == (120, 478, 3) and real.size == (192, 144)
    assert "120 of 120" in describe(real)


def test_roll_follows_the_eye_line(real):
    left, right = SCHEMES["mediapipe478"].eye_line
    line = real.landmarks[:, right, :2] - real.landmarks[:, left, :2]
    assert np.abs(np.degrees(real.rotation[:, 2] + np.arctan2(line[:, 1], line[:, 0]))).max() < 2


def test_a_mirror_turns_yaw_and_roll_and_keeps_pitch(mesh, real):
    """Positive yaw: the nose points to the right of the picture, which is the subject's left."""
    some = slice(0, 120, 10)
    mirrored = track_faces(
        [np.ascontiguousarray(frame[:, ::-1]) for frame in talking_head()[some]], mesh, 3.0
    )
    seen, other = (np.degrees(t.rotation) for t in (real.rows(some), mirrored))
    assert np.abs(seen * [1, -1, -1] - other).mean(0).max() < 3
    left, right, nose = (real.landmarks[:, k, :2] for k in (33, 263, 4))
    eyes = right - left
    off_centre = ((nose - (left + right) / 2) * eyes).sum(1) / (eyes**2).sum(1)
    assert np.corrcoef(off_centre, real.rotation[:, 1])[0, 1] > 0.9


def test_the_astronaut_looks_ahead(mesh):
    from skimage.data import astronaut

    track = track_faces([astronaut()], mesh, 1.0)
    pitch, yaw, roll = np.degrees(track.rotation[0])
    assert abs(yaw) < 4 and abs(roll + 3) < 2 and abs(pitch) < 3  # a little leaned, else straight ahead
    assert -9 < track.translation[0, 2] < -3


def test_blacked_out_frames_are_held_in_place(mesh, real):
    frames = list(talking_head()[:12])
    frames[4] = frames[5] = np.zeros_like(frames[4])
    track = track_faces(frames, mesh, 30.0, on_miss="hold")
    assert np.flatnonzero(~track.valid).tolist() == [4, 5]
    assert np.allclose(track.landmarks[6:], real.landmarks[6:12]) and np.allclose(
        track.landmarks[4], track.landmarks[3]
    )


def test_a_small_face_in_a_large_frame(mesh):
    from skimage.data import astronaut

    whole = track_faces([astronaut()], mesh, 1.0)
    frame = np.full((1000, 1600, 3), 60, np.uint8)
    frame[300:812, 900:1412] = astronaut()
    track = track_faces([frame], mesh, 1.0)
    assert np.abs(track.landmarks[0, :, :2] - whole.landmarks[0, :, :2] - [900, 300]).mean() < 3


def test_two_people_cross_and_the_track_stays_with_one(mesh):
    """The astronaut walks right, in front; the talking head walks left, behind her."""
    import cv2
    from skimage.data import astronaut

    woman = astronaut()[:240, 110:330]
    man = cv2.resize(talking_head()[0][:, 30:130], (220, 240), interpolation=cv2.INTER_AREA)
    frames, places = [], []
    for k in range(24):
        frame = np.full((300, 760, 3), 128, np.uint8)
        his, hers = 520 - 22 * k, 10 + 22 * k
        frame[30:270, his : his + 220] = man
        frame[30:270, hers : hers + 220] = woman
        frames.append(frame)
        places.append(his)
    track = track_faces(frames, mesh, 12.0, Choice("by number", 2), "interpolate")
    centres = track.box[:, [0, 2]].mean(1) - places
    assert (~track.valid).sum() > 0 and np.abs(centres - centres[0]).max() < 25
