"""Drawn heads: the truth that is told is the picture that was drawn."""

import numpy as np
import pytest

from sk_portrait.drawn_heads import Identity, State, clip, draw, head, masks, states_of, truth
from sk_portrait.face_tools import contours
from sk_portrait.face_tools.coefficients import ARKIT_51
from sk_portrait.face_tools.editing.approximate import approximate_coefficients
from sk_portrait.face_tools.pictures.crop import CROP_RULES, portrait_crop
from sk_portrait.face_tools.pictures.head_pose_raster import box_corners
from sk_portrait.face_tools.pictures.patches import plan_patches
from sk_portrait.face_tools.track_errors import TrackSettingError
from sk_portrait.face_tools.trackers import head_pose
from sk_portrait.testing.raised import raises

SIZE = 256
ANN, BEN = Identity.of(1), Identity.of(7)


def column(track, name):
    return track.coefficients[:, ARKIT_51.index(name)]


def changed(before: State, after: State, who: Identity = BEN) -> np.ndarray:
    """(SIZE, SIZE) bool: pixels of the two pictures that plainly differ."""
    pair = [draw(who, state, SIZE).astype(int) for state in (before, after)]
    return np.abs(pair[0] - pair[1]).max(-1) > 40


def within(points: np.ndarray, margin: float = 6.0) -> np.ndarray:
    """(SIZE, SIZE) bool of the points' box and a margin."""
    low, high = points[:, :2].min(0) - margin, points[:, :2].max(0) + margin
    y, x = np.mgrid[:SIZE, :SIZE]
    return (x >= low[0]) & (x <= high[0]) & (y >= low[1]) & (y <= high[1])


def test_a_seed_is_a_person_a_motion_and_a_picture():
    state = State.named((5, 20, -10), jawOpen=0.5)
    assert (draw(Identity.of(1), state, 128) == draw(ANN, state, 128)).all()
    assert (draw(BEN, state, 128) != draw(ANN, state, 128)).any()
    assert len({Identity.of(k) for k in range(200)}) == 200
    first, again, other = clip(3, 8), clip(3, 8), clip(4, 8)
    assert all(
        (a.rotation == b.rotation).all() and (a.coefficients == b.coefficients).all()
        for a, b in zip(first, again)
    )
    assert (first[0].rotation != other[0].rotation).any()


@pytest.mark.parametrize("size", [48, 130, 1024])
def test_every_size_shows_the_same_head(size):
    import cv2

    state = State.named((0, 20, 0), mouthSmileLeft=1, mouthSmileRight=1)
    picture = draw(ANN, state, size)
    assert picture.shape == (size, size, 3) and picture.dtype == np.uint8
    small, expected = (
        cv2.resize(p, (16, 16), interpolation=cv2.INTER_AREA).astype(int)
        for p in (picture, draw(ANN, state, 512))
    )
    assert np.abs(small - expected).mean() < 4


def test_a_head_that_leaves_the_picture_is_still_drawn():
    for place in ((0.5, 0, -3), (-0.3, 0.4, -3), (0, 0, -0.5), (0, 0, -40)):
        state = State(np.radians([60, -80, 40]), np.array(place), np.ones(51, np.float32))
        assert draw(ANN, state, 64).shape == (64, 64, 3) and masks(ANN, state, 64).max() <= 1


def test_a_head_behind_the_camera_is_said():
    with raises(TrackSettingError, setting="translation", value=0.4):
        draw(ANN, State(translation=np.array([0, 0, 0.4])), 64)


def test_landmarks_lie_where_the_parts_were_drawn():
    for degrees in ((0, 0, 0), (10, 25, -12), (-12, -25, 15)):
        state = State.named(degrees)
        picture, track = draw(BEN, state, SIZE), truth(BEN, [state], SIZE)
        points = track.landmarks[0]
        for side in contours.SIDES:
            x, y = points[contours.IRIS[side][0], :2].astype(int)
            assert picture[y, x].max() < 60, "the pupil is black"
            blink = State(
                state.rotation, state.translation, State.named(**{"eyeBlink" + side: 1}).coefficients
            )
            seen = changed(state, blink)
            lids = within(points[[*contours.LIDS[side][0], *contours.LIDS[side][1]]])
            assert seen.sum() > 60 and (seen & ~lids).sum() == 0
        talk = State(state.rotation, state.translation, State.named(jawOpen=1).coefficients)
        opened = truth(BEN, [talk], SIZE).landmarks[0]
        seen, jaw = changed(state, talk), list(head.JAW)
        assert (
            seen.sum() > 200
            and (seen & ~within(np.concatenate([points[jaw], opened[jaw]]), 12)).sum() < 0.01 * seen.sum()
        )
        x, y = ((opened[13] + 2 * opened[14]) / 3)[:2].astype(int)
        red, green, blue = draw(BEN, talk, SIZE)[y, x].astype(int)
        assert red > green + 40 and red > blue + 40, "inside the open mouth it is red"


def test_each_coefficient_moves_what_it_names():
    still = truth(BEN, [State()], 512).landmarks[0]

    def moved(name: str) -> np.ndarray:
        return truth(BEN, [State.named(**{name: 1})], 512).landmarks[0] - still

    # Right and Left are the subject's: the picture's left is the subject's right.
    assert moved("eyeBlinkRight")[159, 1] > 15 and not moved("eyeBlinkRight")[386].any()
    assert moved("mouthSmileLeft")[291, 0] > 5 > -5 > moved("mouthSmileLeft")[291, 1]
    assert moved("mouthSmileRight")[61, 0] < -5
    assert moved("jawOpen")[14, 1] > 30 and abs(moved("jawOpen")[33]).max() == 0
    assert moved("eyeLookOutLeft")[473, 0] > 5 and moved("eyeLookInRight")[468, 0] > 5
    assert moved("eyeLookUpLeft")[473, 1] < -5
    assert moved("browInnerUp")[107, 1] < -10 < 10 < moved("browDownLeft")[336, 1]
    pucker = moved("mouthPucker")
    assert pucker[61, 0] > 5 > -5 > pucker[291, 0]


@pytest.mark.parametrize("seed", [0, 5, 11])
def test_head_pose_reads_the_true_rotation_and_the_crop_is_the_picture(seed):
    who, states = Identity.of(seed), clip(seed, 50)
    track = truth(who, states, 512)
    for k, state in enumerate(states):
        rotation, translation, _ = head_pose.solve(track.landmarks[k], track.scheme, track.size)
        assert np.degrees(np.abs(rotation - state.rotation)).max() < 1
        # Identity widens a face, which looks like a nearer one.
        assert (
            np.abs(translation - state.translation)[:2].max() < 0.005
            and abs(translation[2] / state.translation[2] - 1) < 0.12
        )
    crop = portrait_crop(truth(who, [State()], 512), CROP_RULES["v2"])
    assert crop.side > 0.9 * 512
    assert all(window.shape == (2, 3) for window in plan_patches(track).windows.values())


def test_the_head_pose_box_sits_on_the_drawn_face():
    for degrees in ((0, 0, 0), (0, 30, 0), (15, -20, 18)):
        state = State.named(degrees)
        points = truth(BEN, [state], 512).landmarks[0]
        corners = box_corners(state.rotation, state.translation, (512, 512))
        between_eyes_and_mouth = (points[[33, 263, 61, 291], :2]).mean(0)
        assert np.linalg.norm(corners.mean(0) - between_eyes_and_mouth) < 0.16 * np.ptp(points[:, 0])
        slope = np.degrees(np.arctan2(*(points[263] - points[33])[[1, 0]]))
        top = np.degrees(np.arctan2(*(corners[2] - corners[1])[::-1]))
        assert abs(slope - top) < 14  # the box is drawn with exaggerated perspective


def test_approximate_expression_reads_the_drawn_landmarks():
    states = clip(11, 150)
    track = truth(BEN, states, 512)
    measured = approximate_coefficients(track)
    for name, least in (
        ("eyeBlinkLeft", 0.95),
        ("eyeBlinkRight", 0.95),
        ("jawOpen", 0.95),
        ("browInnerUp", 0.7),
    ):
        assert np.corrcoef(column(track, name), column(measured, name))[0, 1] > least, name


def test_masks_cover_eyes_and_mouth_and_little_else():
    state = State.named((5, 20, 10), jawOpen=0.6)
    mask, points = masks(BEN, state, SIZE), truth(BEN, [state], SIZE).landmarks[0]
    parts = [
        *contours.LIDS["Right"][0],
        *contours.LIDS["Left"][1],
        *contours.OUTER_UPPER,
        *contours.OUTER_LOWER,
    ]
    x, y = points[parts, :2].round().astype(int).T
    assert mask.shape == (SIZE, SIZE) and mask.dtype == np.float32 and mask[y, x].min() > 0.9
    assert 0.02 < mask.mean() < 0.1
    # A closed eye keeps its place: the loss must look where the eye was to learn that it shut.
    blinking = State.named((5, 20, 10), jawOpen=0.6, eyeBlinkLeft=1, eyeBlinkRight=1)
    assert (masks(BEN, blinking, SIZE) == mask).all()


def test_motion_is_natural():
    for seed in range(8):
        track = truth(ANN, clip(seed, 250), 128)
        degrees = np.degrees(track.rotation)
        assert (np.abs(degrees).max(0) <= [20, 35, 20]).all()
        assert np.abs(np.diff(degrees, axis=0)).max() < 8
        assert 2 <= (np.diff((column(track, "eyeBlinkLeft") > 0.8).astype(int)) == 1).sum() <= 12
        assert (
            column(track, "jawOpen").max() > 0.2
            and 0 <= track.coefficients.min()
            and track.coefficients.max() <= 1
        )


def test_any_track_can_be_drawn():
    from sk_portrait.face_tools.recordings.presets import preset

    (state,) = states_of(preset("mouth open"))
    assert changed(State(state.rotation, state.translation), state).sum() > 30
    bare = truth(BEN, [State()], 64).replace(coefficients=None)
    assert not states_of(bare)[0].coefficients.any()


def test_a_real_tracker_takes_a_drawn_head_for_a_face():
    pytest.importorskip(
        "mediapipe.python.solutions.face_mesh", reason="the built-in FaceMesh needs mediapipe 0.10.21"
    )
    from sk_portrait.face_tools.trackers import mediapipe_mesh
    from sk_portrait.face_tools.trackers.faces import ModelFiles

    turns = [(0, -20, 0), (0, 0, 0), (0, 20, 0)]
    with mediapipe_mesh.open_source(ModelFiles()) as source:
        found = list(source.track(draw(BEN, State.named(turn), 512) for turn in turns))
    yaws = [
        np.degrees(head_pose.solve(faces[0].landmarks, "mediapipe478", (512, 512))[0][1]) for faces in found
    ]
    assert np.abs(np.subtract(yaws, [-20, 0, 20])).max() < 8


def test_the_node_draws_a_track_and_tells_what_it_drew(comfy):
    from sk_portrait.nodes.drawn_heads.drawn_head import DrawnHead

    sliders = {
        "pitch": 0.0,
        "yaw": 20.0,
        "roll": 0.0,
        "blink": 0.0,
        "jaw_open": 1.0,
        "smile": 0.0,
        "pucker": 0.0,
        "brows": -0.5,
    }
    sliders |= {"gaze_x": 0.5, "gaze_y": -0.5}
    images, track, mask = DrawnHead.execute(7, 128, **sliders).args
    assert images.shape == (1, 128, 128, 3) and mask.shape == (1, 128, 128) and len(track) == 1
    assert (
        column(track, "jawOpen") == column(track, "eyeLookOutLeft") * 2 == 1
        and column(track, "browDownLeft") == 0.5
    )
    assert np.degrees(track.rotation[0, 1]) == pytest.approx(20)

    acted = truth(ANN, clip(2, 5), 128)
    images, track, mask = DrawnHead.execute(7, 128, **sliders, track=acted).args
    assert len(images) == len(mask) == 5
    assert (track.rotation == acted.rotation).all() and (track.coefficients == acted.coefficients).all()
    assert (images[3].numpy() * 255).round().astype(np.uint8).tolist() == draw(
        BEN, clip(2, 5)[3], 128
    ).tolist()
