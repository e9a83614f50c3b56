"""Bending a portrait neither tears nor folds it, and a mouth that opens shows what a mouth shows."""

import numpy as np
import pytest
from skimage.data import astronaut

from sk_portrait.drawn_heads import State
from sk_portrait.face_tools.pictures.warp import Bend, Grid, Kernel, Lattice, in_order
from sk_portrait.testing import portraits
from sk_portrait.testing.talking_head import talking_head

SIZE = 256
CORNERS, UPPER, LOWER, CHIN = [61, 291], 13, 14, 152
DRAWN = {
    "drawn 1": (1, State()),
    "drawn 3": (3, State()),
    "drawn 5, turned": (5, State.named((0.0, 25.0, 0.0))),
    "drawn 12, leaning": (12, State.named((-10.0, -15.0, 20.0))),
    "drawn 21, talking": (21, State.named(jawOpen=0.5)),
    "drawn 55": (55, State.named((15.0, 0.0, 0.0), mouthSmileLeft=0.8, mouthSmileRight=0.8)),
}
REAL = ("astronaut", "carphone 0", "carphone 60", "carphone 100")


def portrait(name, size=SIZE):
    if name in DRAWN:
        seed, state = DRAWN[name]
        return portraits.drawn(seed, size, state)
    pytest.importorskip("mediapipe.python.solutions.face_mesh", reason="the FaceMesh needs mediapipe 0.10.21")
    if name == "astronaut":
        return portraits.photograph(astronaut(), size)
    return portraits.photograph(talking_head()[int(name.split()[1])], size)


@pytest.mark.parametrize("name", [*DRAWN, *REAL])
def test_no_slider_end_and_no_pair_of_ends_folds_a_portrait(name):
    """All ends for each portrait, and each pair of ends for one of the portraits."""
    names = [*DRAWN, *REAL]
    puppet = portrait(name)
    movements = [*portraits.ENDS, *portraits.PAIRS[names.index(name) :: len(names)]]
    smallest = {str(pose): portraits.smallest_jacobian(puppet, pose) for pose in movements}
    assert {pose: value for pose, value in smallest.items() if value <= 0} == {}


@pytest.mark.parametrize("name", ["drawn 3", "astronaut"])
def test_the_picture_goes_where_the_landmarks_go(name):
    puppet = portrait(name)
    for pose in (
        {"smile": 1.0},
        {"pucker": 1.0},
        {"yaw": 15.0, "pitch": 10.0},
        {"brows": 1.0, "blink_left": 0.5},
    ):
        movement = portraits.movement(puppet, pose)
        after, places = puppet.moved(*movement)[:468, :2], puppet.maps(*movement)[0]
        x, y = np.clip(np.round(after).astype(int), 0, SIZE - 1).T
        apart = np.linalg.norm(places[y, x] - puppet.landmarks[:468, :2], axis=1)
        assert np.percentile(apart, 90) < 0.015 * SIZE, pose


def test_the_rim_of_the_face_moves_with_a_falloff():
    puppet = portrait("drawn 3")
    (places,) = puppet.maps(*portraits.movement(puppet, {"yaw": 20.0}))
    still = np.stack(np.meshgrid(np.arange(SIZE), np.arange(SIZE)), -1)
    moves = np.linalg.norm(places - still, axis=-1)
    left = int(puppet.landmarks[234, 0])  # the oval at the subject's right ear
    row = moves[int(puppet.landmarks[234, 1]), : left + 1]
    assert row[-1] > 3 and row[0] < 0.05 * row[-1]
    assert np.abs(np.diff(row)).max() < 0.5 * row[-1] / 4  # no step: it takes more than eight pixels to fade


def test_lips_that_smile_stay_together_and_slide_up_the_cheek():
    puppet = portrait("drawn 3")
    rest, smile = (puppet.moved(*portraits.movement(puppet, pose)) for pose in ({}, {"smile": 1.0}))
    assert (smile[CORNERS, 1] < rest[CORNERS, 1] - 3).all()
    assert smile[291, 0] > rest[291, 0] + 3 and smile[61, 0] < rest[61, 0] - 3
    assert (smile[CORNERS, 2] > rest[CORNERS, 2] + 2).all()  # round the cheek, away from the viewer
    assert smile[LOWER, 1] - smile[UPPER, 1] == pytest.approx(rest[LOWER, 1] - rest[UPPER, 1], abs=0.5)


def opened(puppet, **pose):
    """(N, 3) pixels between the lips of the moved portrait, down the middle of the mouth."""
    movement = portraits.movement(puppet, pose)
    landmarks, drawn = puppet.moved(*movement), puppet.draw(*movement)
    x, top, bottom = int(landmarks[UPPER, 0]), landmarks[UPPER, 1], landmarks[LOWER, 1]
    return drawn[int(top) + 2 : int(bottom) - 1, x].astype(float)


def test_a_closed_mouth_opens_to_a_shaded_dark():
    column = opened(portrait("drawn 3", 512), jaw=1.0).mean(1)
    assert len(column) > 15 and column.max() < 110
    assert column.std() > 3  # no flat colour: dark below the lip, a tongue further down
    assert column[: len(column) // 3].mean() < column[len(column) // 2 :].mean()


def test_visible_teeth_stay_when_the_mouth_opens_further():
    talking = portraits.drawn(3, 512, State.named(jawOpen=0.5))
    before, after = opened(talking), opened(talking, jaw=0.6)
    shown, still = (int((column.min(1) > 200).sum()) for column in (before, after))
    assert 5 < shown <= still
    assert still / len(after) < 0.8 * shown / len(before)  # the rest of the opening is dark


def test_a_mouth_opens_alone():
    """The nose stays where it was, the chin goes down, and beside the mouth the picture is whole."""
    puppet = portrait("drawn 3")
    upper, lower = puppet.maps(*portraits.movement(puppet, {"jaw": 1.0}))
    x, y = puppet.landmarks[4, :2].astype(int)
    assert np.abs(upper[y, x] - (x, y)).max() < 1
    x, y = puppet.landmarks[CHIN, :2].astype(int)
    assert lower[y, x, 1] < y - 3
    beside = puppet.landmarks[CORNERS[1], :2].astype(int) + [12, 0]
    assert np.allclose(upper[beside[1], beside[0]], lower[beside[1], beside[0]])  # whole beside the mouth


@pytest.mark.parametrize("size", [(64, 64), (300, 200), (1024, 640)])
def test_an_unbent_lattice_is_the_picture_itself(size):
    lattice = Lattice(size)
    places = lattice.pixels(lattice.places())
    assert np.array_equal(places, np.stack(np.meshgrid(np.arange(size[0]), np.arange(size[1])), -1))


def test_points_that_cross_are_brought_as_far_as_nothing_folds():
    grid = Grid.over(np.zeros(2), np.full(2, 63.0), 64)
    bend = Bend(grid, Kernel((10.0, 4.0), (1.0, 0.5)), grid.walls((64, 64), 8.0))
    points, goals = np.array([(28.0, 32.0), (36.0, 32.0)]), np.array([(40.0, 32.0), (24.0, 32.0)])
    places = Lattice((64, 64)).places()
    bent = bend.carry(places, points, goals, np.full(2, 0.01))
    assert portraits.determinants(bent).min() > 0 and np.abs(bent - places).max() > 1
    assert np.array_equal(bent[0, 0], (0, 0)) and np.array_equal(bent[-1, -1], (63, 63))


def test_the_hidden_one_of_two_points_that_pass_is_left_out():
    source = np.array([(0.0, 0.0), (10.0, 0.0), (20.0, 0.0)])
    target = np.array([(0.0, 0.0), (12.0, 0.0), (11.0, 0.0)])
    assert in_order(source, target, np.array([0.0, 1.0, 2.0]), 0.1).tolist() == [True, True, False]
    assert in_order(source, source, np.zeros(3), 0.1).all()
