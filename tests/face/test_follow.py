"""The same person through cuts, gaps and other people: composites of real faces, tracked by FaceMesh."""

from functools import cache
from itertools import permutations

import cv2
import numpy as np
import pytest

from sk_portrait.face_tools.track_errors import ChoiceError, CutError
from sk_portrait.face_tools.trackers.follow import Choice
from sk_portrait.face_tools.trackers.tracking import track_faces
from sk_portrait.testing.raised import raises
from sk_portrait.testing.real_faces import photograph
from sk_portrait.testing.talking_head import talking_head

SIDE, LEFT, RIGHT = 160, 0, 240
PEOPLE = ("astronaut", "man", "older_man", "talking_head")


@cache
def picture(name):
    from skimage.data import astronaut

    if name == "astronaut":
        return astronaut()
    return talking_head()[0] if name == "talking_head" else photograph(name)


@cache
def box_of(mesh, name):
    return mesh.glance(picture(name))[0].box


def tile(mesh, name, zoom=1.0):
    """(SIDE, SIDE, 3) the person's face with some surroundings."""
    x0, y0, x1, y1 = box_of(mesh, name)
    half = int(max(x1 - x0, y1 - y0) / zoom)
    x, y = int(x0 + x1) // 2, int(y0 + y1) // 2
    padded = np.pad(picture(name), ((half, half), (half, half), (0, 0)), mode="edge")
    return cv2.resize(padded[y : y + 2 * half, x : x + 2 * half], (SIDE, SIDE), interpolation=cv2.INTER_AREA)


def scene(mesh, count=5, **places):
    """Frames with each person at their place; they come nearer from frame to frame."""
    frames = []
    for k in range(count):
        frame = np.full((SIDE, 400, 3), 110, np.uint8)
        for name, x in places.items():
            frame[:, x : x + SIDE] = tile(mesh, name, 1 + 0.02 * k)
        frames.append(frame)
    return frames


def at(track):
    """(F,) left end of the slot in which the followed face lies."""
    return np.where(track.box[:, [0, 2]].mean(1) < 200, LEFT, RIGHT)


@pytest.mark.parametrize("one, other", permutations(PEOPLE, 2))
def test_two_people_swap_places_at_a_cut(mesh, one, other):
    frames = scene(mesh, **{one: LEFT, other: RIGHT}) + scene(mesh, **{one: RIGHT, other: LEFT})
    track = track_faces(frames, mesh, 25.0, Choice("leftmost"))
    assert at(track).tolist() == [LEFT] * 5 + [RIGHT] * 5
    assert not any("another person" in note for note in track.notes)


def interview(mesh):
    """A shot of one person, one of another, and the first again."""
    return scene(mesh, astronaut=LEFT) + scene(mesh, man=LEFT) + scene(mesh, astronaut=RIGHT)


def test_a_cut_to_another_person_is_followed_and_named(mesh):
    track = track_faces(interview(mesh), mesh, 25.0)
    assert track.valid.all() and at(track).tolist() == [LEFT] * 10 + [RIGHT] * 5
    assert "cuts to another person at frames 5, 10 (counted from 0)" in track.notes[-1]


def test_a_cut_to_another_person_can_stop(mesh):
    with raises(CutError, frame=5):
        track_faces(interview(mesh), mesh, 25.0, on_cut="stop")


def test_a_cut_to_another_person_can_be_held(mesh):
    """Until the first one returns; these frames do not stop as misses do."""
    track = track_faces(interview(mesh), mesh, 25.0, on_cut="hold")
    assert np.flatnonzero(~track.valid).tolist() == [5, 6, 7, 8, 9]
    assert at(track).tolist() == [LEFT] * 10 + [RIGHT] * 5
    assert any("another person is seen in 5 frames (5-9" in note for note in track.notes)


def test_a_person_leaves_and_comes_back_elsewhere(mesh):
    frames = (
        scene(mesh, astronaut=LEFT, man=RIGHT)
        + scene(mesh, man=RIGHT)
        + scene(mesh, man=LEFT, astronaut=RIGHT)
    )
    track = track_faces(frames, mesh, 25.0, Choice("leftmost"), "hold")
    assert np.flatnonzero(~track.valid).tolist() == [5, 6, 7, 8, 9]
    assert at(track).tolist() == [LEFT] * 10 + [RIGHT] * 5


def test_a_second_person_enters_and_stays(mesh):
    frames = scene(mesh, man=LEFT) + scene(mesh, man=LEFT, older_man=RIGHT) + scene(mesh, older_man=RIGHT)
    track = track_faces(frames, mesh, 25.0, on_miss="hold")
    assert np.flatnonzero(~track.valid).tolist() == list(range(10, 15)) and set(at(track)) == {LEFT}


def test_an_unknown_way_to_treat_a_cut(mesh):
    with raises(ChoiceError, value="skip", choices=("follow", "stop", "hold")):
        track_faces(scene(mesh, man=LEFT), mesh, 25.0, on_cut="skip")
