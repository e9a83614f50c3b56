"""A row that counts as measured is right: turned pictures, people lying down, answers that cannot be a face."""

from dataclasses import replace

import numpy as np
import pytest

from sk_portrait.face_tools.trackers import sources
from sk_portrait.face_tools.trackers.faces import Face, ModelFiles
from sk_portrait.face_tools.trackers.sanity_checks import POSSIBLE, SURE, doubt, lone_jumps
from sk_portrait.face_tools.trackers.tracking import track_faces
from sk_portrait.testing.talking_head import talking_head
from sk_portrait.tests.face.test_tracking import face_at, follow

STEP, FPS = 4, 7.5


@pytest.fixture(scope="module")
def mesh():
    pytest.importorskip("mediapipe.python.solutions.face_mesh", reason="the built-in FaceMesh needs mediapipe 0.10.21")
    with sources.open_source("mediapipe-mesh", ModelFiles()) as source:
        yield source


@pytest.fixture(scope="module")
def upright(mesh):
    return track_faces(talking_head()[::STEP], mesh, FPS)


def apart(angles, others):
    """Largest difference in degrees."""
    return np.abs((np.degrees(angles - others) + 180) % 360 - 180).max()


def test_landmarks_of_a_turned_clip_lie_on_its_face(mesh, upright):
    width, _ = upright.size
    turned = track_faces([np.ascontiguousarray(np.rot90(frame)) for frame in talking_head()[::STEP]], mesh, FPS)
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
    assert doubt(posed(0.0, landmarks=posed(0.0).landmarks * (1, -1)), "hello222") > POSSIBLE  # the mouth above the eyes
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
