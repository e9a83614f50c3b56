"""A row that counts as measured is right: turned pictures, people lying down, answers that cannot be a face."""

from dataclasses import replace

import numpy as np
import pytest

from sk_portrait.face_tools.trackers import sources
from sk_portrait.face_tools.trackers.faces import Face, ModelFiles, turned_back
from sk_portrait.face_tools.trackers.sanity_checks import POSSIBLE, SURE, doubt, lone_jumps
from sk_portrait.face_tools.trackers.tracking import track_faces
from sk_portrait.testing.real_faces import landmarker_models, photograph
from sk_portrait.testing.talking_head import talking_head
from sk_portrait.tests.face.test_tracking import Scripted, blank, face_at, follow

STEP, FPS = 4, 7.5


@pytest.fixture(scope="module")
def upright(mesh):
    return track_faces(talking_head()[::STEP], mesh, FPS)


def apart(angles, others):
    """Largest difference in degrees."""
    return np.abs((np.degrees(angles - others) + 180) % 360 - 180).max()


def test_landmarks_of_a_turned_clip_lie_on_its_face(mesh, upright):
    width, _ = upright.size
    turned = track_faces(
        [np.ascontiguousarray(np.rot90(frame)) for frame in talking_head()[::STEP]], mesh, FPS
    )
    x, y, z = np.moveaxis(upright.landmarks, -1, 0)
    assert turned.size == upright.size[::-1]
    assert np.abs(turned.landmarks - np.stack([y, width - x, z], -1)).max() < 1
    tx, ty, tz = upright.translation.T
    assert np.allclose(turned.translation, np.stack([-ty, tx, tz], -1), atol=0.02)


def test_a_person_who_lies_down_in_the_middle_is_followed(mesh, upright):
    height, width = talking_head()[0].shape[:2]
    square = [np.pad(frame, ((0, width - height), (0, 0), (0, 0))) for frame in talking_head()[::STEP]]
    frames = square[:8] + [np.ascontiguousarray(np.rot90(frame)) for frame in square[8:16]] + square[16:24]
    track = track_faces(frames, mesh, FPS)
    turned = np.zeros(24)
    turned[8:16] = np.pi / 2
    assert track.valid.all() and apart(track.rotation[:, 2], upright.rotation[:24, 2] + turned) < 5
    assert "lies on its side in 8 of 24 frames (8-15, counted from 0)" in track.notes[-1]


def posed(roll: float, **changes) -> Face:
    return replace(face_at(60, 60, 30, roll=roll), **changes)


def test_a_pose_that_the_picture_does_not_show_is_doubted():
    assert doubt(posed(0.0), "hello222") < 0.01 and doubt(posed(0.5), "hello222") < SURE
    assert doubt(posed(0.0, rotation=np.float32([0, 0, 0.7])), "hello222") > POSSIBLE
    assert (
        doubt(posed(0.0, landmarks=posed(0.0).landmarks * (1, -1)), "hello222") > POSSIBLE
    )  # the mouth above the eyes
    assert SURE < doubt(posed(1.4), "hello222") < POSSIBLE  # to be looked at in the turned picture


def test_rows_that_cannot_be_right_are_misses():
    answers = [[posed(0.0, rotation=np.float32([0, 0, k in (3, 4)]))] for k in range(8)]
    track = follow(answers, on_miss="hold")
    assert np.flatnonzero(~track.valid).tolist() == [3, 4] and "3-4" in track.notes[0]


def test_a_head_does_not_turn_away_and_back_within_a_frame():
    answers = [[posed(0.5 if k == 4 else -0.5)] for k in range(8)]
    assert np.flatnonzero(~follow(answers, on_miss="interpolate").valid).tolist() == [4]
    rotation = np.float32([[0, 0, 0.5 if k == 4 else -0.5] for k in range(8)])
    assert not lone_jumps(rotation, np.arange(8), fps=2.0).any()  # in half a second it may
    assert not lone_jumps(rotation[:5], np.arange(5), fps=25.0).any()  # a cut


class Detecting(Scripted):
    """Counts the calls of a detector that sees an upright face on the left half of every picture."""

    calls = 0

    def detect(self, frame):
        self.calls += 1
        return [posed(0.0, score=0.95).detection]


def test_a_false_face_is_looked_for_in_all_turns_once():
    """A sideways face beside the person, in two frames: only its first frame is worth four detections."""
    false = face_at(200, 120, 20, roll=1.4)
    source = Detecting([[posed(0.0)] + [false] * (k in (6, 7)) for k in range(24)])
    track = track_faces(blank(24), source, 25.0)
    assert track.valid.all() and apart(track.rotation[:, 2], 0) < 1
    assert source.calls == 1 + 4  # the first frame, and the false face


# From here on: real faces, every MediaPipe tracker.


@pytest.fixture(scope="module", params=["mediapipe-mesh", "mediapipe-tasks"])
def tracker(request):
    pytest.importorskip(
        "mediapipe.python.solutions.face_mesh", reason="the built-in FaceMesh needs mediapipe 0.10.21"
    )
    models = landmarker_models() if request.param == "mediapipe-tasks" else ModelFiles()
    with sources.open_source(request.param, models) as source:
        yield source


def turned(frames, turn):
    return [np.ascontiguousarray(np.rot90(frame, turn)) for frame in frames]


def off(track, turn, upright):
    """(F,) distance of the turned clip's landmarks from the upright clip's, in widths of the face."""
    points = np.stack([turned_back(row[:, :2], turn, upright.size) for row in track.landmarks])
    width = np.ptp(upright.landmarks[..., 0], axis=1)
    return np.linalg.norm(points - upright.landmarks[..., :2], axis=2).mean(1) / width


@pytest.mark.parametrize("turn", [1, 2, 3])
def test_a_clip_is_tracked_whichever_way_up_it_is(tracker, turn):
    frames = talking_head()[::8]
    upright = track_faces(frames, tracker, 4.0)
    track = track_faces(turned(frames, turn), tracker, 4.0)
    assert upright.valid.all() and track.valid.all() and off(track, turn, upright).max() < 0.03
    assert any("15 of 15 frames" in note for note in track.notes) and not any(
        "The head" in note for note in upright.notes
    )


def test_a_clip_that_is_upside_down_for_a_while(tracker):
    frames = talking_head()[:48:2]
    upright = track_faces(frames, tracker, 15.0)
    mixed = [*frames[:8], *turned(frames[8:16], 2), *frames[16:]]
    track = track_faces(mixed, tracker, 15.0)
    assert off(track.rows(slice(8, 16)), 2, upright.rows(slice(8, 16))).max() < 0.05
    assert "upside down in 8 of 24 frames (8-15" in track.notes[-1]


@pytest.mark.parametrize("share", [0.7, 0.8])
def test_a_narrow_face_is_a_face(tracker, share):
    """Its landmarks miss an average head by more than most wrong answers do."""
    import cv2
    from skimage.data import astronaut

    face = astronaut()[0:300, 90:390]
    narrow = cv2.resize(face, None, fx=share, fy=1.0, interpolation=cv2.INTER_AREA)
    track = track_faces([narrow], tracker, 1.0)
    assert track.valid.all() and abs(np.degrees(track.rotation[0, 2])) < 15


@pytest.mark.parametrize("turn", [0, 1, 2, 3])
def test_a_small_face_in_a_turned_picture(tracker, turn):
    """The face is smaller than the detector sees in the whole picture."""
    import cv2

    photo = cv2.resize(photograph("man"), (364, 455), interpolation=cv2.INTER_AREA)
    wide = np.full((1000, 1400, 3), 128, np.uint8)
    wide[300:755, 800:1164] = photo
    upright = track_faces([wide], tracker, 1.0)
    track = track_faces(turned([wide], turn), tracker, 1.0)
    assert not tracker.detect(wide)
    assert off(track, turn, upright).max() < 0.05


def test_a_picture_has_one_answer(tracker):
    """As a clip of one frame, as a glance, as one of many frames."""
    for name in ("man", "man_speaking"):
        picture = photograph(name)
        (glanced,) = tracker.glance(picture)
        clip = track_faces([picture] * 3, tracker, 25.0)
        assert np.allclose(clip.landmarks, glanced.landmarks, atol=1e-3)
