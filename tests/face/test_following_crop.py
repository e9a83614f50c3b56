"""A crop that follows a face through the picture, and the frames in which a fixed one loses it."""

import numpy as np
import pytest

from sk_portrait.drawn_heads import Identity, State, truth
from sk_portrait.face_tools import track_file
from sk_portrait.face_tools.editing.timeline import retime
from sk_portrait.face_tools.pictures.crop import CROP_RULES, portrait_crop
from sk_portrait.face_tools.pictures.following_crop import following_crop, saved_crop
from sk_portrait.face_tools.pictures.head_pose_raster import box_corners
from sk_portrait.face_tools.pictures.leaving import leaving, leaving_notes
from sk_portrait.face_tools.pictures.paste import paste_back, window_mask
from sk_portrait.face_tools.pictures.patches import plan_patches
from sk_portrait.face_tools.track_errors import TrackError, TrackLengthError
from sk_portrait.testing.raised import raises

RULE = CROP_RULES["v5"]
SIDE, FRAMES, NOSE = 640, 40, 4
ROUND_TRIP = 2 / 255


def walking(frames: int = FRAMES, reach: float = 0.25, near: float = -9.0, far: float = -9.0):
    """The exact track of a drawn head that walks from the left to the right of a 640 px picture."""
    across, depth = np.linspace(-reach, reach, frames), np.linspace(far, near, frames)
    states = [State(translation=np.float32([x, 0, z])) for x, z in zip(across, depth)]
    return truth(Identity.of(3), states, SIDE)


def noise(frames: int = FRAMES) -> np.ndarray:
    """(F, 640, 640, 3) frames in a range that bicubic overshoot does not leave."""
    picture = 0.3 + 0.4 * np.random.default_rng(0).random((SIDE, SIDE, 3), np.float32)
    return np.stack([np.roll(picture, k, 1) for k in range(frames)])


def pasted(frame: np.ndarray, portrait: np.ndarray, window) -> np.ndarray:
    result = frame.copy()
    paste_back(window.window(result), portrait, window, window_mask(window, 0.1, None))
    return result


def test_a_fixed_crop_names_the_frames_that_the_face_leaves():
    track = walking(reach=0.35)
    crop = portrait_crop(track, CROP_RULES["v1"])
    partly, wholly = leaving(track, crop)
    nose = crop.points(track.landmarks[:, NOSE, :2])
    assert wholly.any() and ((nose[wholly] < 0) | (nose[wholly] > 512)).any(1).all()
    assert partly.any() and not (partly & wholly).any()
    (note,) = leaving_notes(track, crop)
    assert f"wholly in {wholly.sum()} of 40 frames" in note and f"in part in {partly.sum()} of 40" in note
    assert 'Set crop to "follow"' in note
    assert leaving_notes(walking(reach=0.02), portrait_crop(walking(reach=0.02), RULE)) == ()


def test_a_following_crop_keeps_the_face_in_its_place_at_its_size():
    track = walking(reach=0.14, near=-7.0)
    crop = following_crop(track, RULE)
    cropped = crop.track(track)
    assert leaving_notes(track, crop) == ()
    nose, eyes = cropped.landmarks[:, NOSE, :2], cropped.landmarks[:, 263] - cropped.landmarks[:, 33]
    assert np.ptp(nose, axis=0).max() < 0.02 * 512
    assert np.ptp(np.linalg.norm(eyes, axis=1)) < 0.02 * 512
    assert np.ptp(track.landmarks[:, NOSE, 0]) > 0.6 * crop.path[:, 2].mean()
    assert np.ptp(crop.path[:, 2]) > 0.2 * crop.path[:, 2].mean()


def test_a_face_that_jumps_is_followed_without_a_slide():
    first, second = walking(20, 0.0), walking(20, 0.0)
    second = second.replace(landmarks=second.landmarks + np.float32([120, 60, 0]))
    track = first.replace(
        **{name: np.concatenate([value, second.arrays()[name]]) for name, value in first.arrays().items()}
    )
    path = following_crop(track, RULE).path
    assert np.ptp(path[:20], axis=0).max() < 0.1 and np.ptp(path[20:], axis=0).max() < 0.1
    assert path[20, 0] - path[19, 0] == pytest.approx(120, abs=0.1)


def test_the_path_is_calmer_than_the_landmarks():
    track = walking()
    shake = np.random.default_rng(1).normal(0, 3, (FRAMES, 1, 3)).astype(np.float32)
    path = following_crop(track.replace(landmarks=track.landmarks + shake), RULE).path

    def jerk(rows):
        return np.abs(np.diff(rows, n=2, axis=0)).mean()

    assert jerk(path[:, :2]) < 0.1 * jerk(shake[:, 0, :2])


def test_the_squares_never_leave_the_frame():
    path = following_crop(walking(reach=0.6), RULE).path
    assert (path[:, :2] >= 0).all() and (path[:, :2] + path[:, 2:] <= SIDE).all() and (path[:, 2] > 8).all()


def test_untouched_crops_go_back_to_their_own_places():
    track, frames = walking(5, near=-6.0), noise(5)
    crop = following_crop(track, RULE)
    assert (crop.path % 1).any()
    for k, frame in enumerate(frames):
        window = crop.of(k)
        back = pasted(frame, window.cut(frame), window)
        outside = np.ones(frame.shape[:2], bool)
        outside[window.part] = False
        assert np.array_equal(back[outside], frame[outside])
        assert np.abs(back - frame).max() < ROUND_TRIP


def test_a_mark_on_the_nose_lands_on_the_nose_of_every_frame():
    track = walking(9, near=-6.0)
    crop = following_crop(track, RULE)
    cropped = crop.track(track)
    for k in range(len(track)):
        down, across = np.mgrid[:512, :512] + 0.5
        x, y = cropped.landmarks[k, NOSE, :2]
        mark = np.exp(-((across - x) ** 2 + (down - y) ** 2) / 200).astype(np.float32)
        back = pasted(np.zeros((SIDE, SIDE, 3), np.float32), np.repeat(mark[..., None], 3, 2), crop.of(k))
        weight = back[..., 0]
        place = [(np.arange(SIDE) + 0.5) @ weight.sum(axis) / weight.sum() for axis in (0, 1)]
        assert np.abs(place - track.landmarks[k, NOSE, :2]).max() < 0.1


def test_a_shrinking_crop_goes_back_too():
    track = walking(3, 0.0, near=-4.0, far=-4.0)
    crop = following_crop(track, RULE, 128)
    frame = np.broadcast_to(np.linspace(0, 1, SIDE, dtype=np.float32)[:, None, None], (SIDE, SIDE, 3)).copy()
    window = crop.of(1)
    assert window.side > 256
    assert np.abs(pasted(frame, window.cut(frame), window) - frame).max() < ROUND_TRIP


def test_the_head_pose_is_drawn_on_the_face_of_every_square():
    track = walking(near=-6.0)
    crop = following_crop(track, RULE)
    cropped = crop.track(track)
    for k in (0, 13, 39):
        whole, seen = (box_corners([0, 0, 0], t.translation[k], t.size) for t in (track, cropped))
        x, y, side = crop.path[k]
        assert np.allclose((whole.mean(0) - (x, y)) * 512 / side, seen.mean(0), atol=0.05)
        assert np.ptp(seen[:, 0]) / np.ptp(whole[:, 0]) == pytest.approx(512 / side, rel=1e-4)


def test_eyes_and_mouth_are_cut_alike_from_the_whole_frames_and_from_the_squares():
    from sk_portrait.drawn_heads import draw

    who, states = Identity.of(3), [State(translation=np.float32([x, 0, -5.0])) for x in (-0.1, 0.0, 0.1)]
    track = truth(who, states, SIDE)
    crop = following_crop(track, RULE)
    whole, seen = plan_patches(track), plan_patches(crop.track(track))
    for k, state in enumerate(states):
        frame = draw(who, state, SIDE)
        ours, theirs = seen.cut(crop.of(k).cut(frame), k), whole.cut(frame, k)
        for name in ("left_eye", "right_eye", "mouth"):
            assert np.abs(ours[name].astype(float) - theirs[name]).mean() < 2, name


def test_a_saved_track_brings_its_squares_back(tmp_path):
    track, frame = walking(6, near=-6.0), noise(1)[0]
    for make in (following_crop, portrait_crop):
        crop = make(track, RULE)
        track_file.save(crop.track(track), tmp_path / "t.npz")
        loaded = track_file.load(tmp_path / "t.npz")
        again = saved_crop(loaded)
        assert type(again) is type(crop) and again.frame == (SIDE, SIDE)
        assert all(np.array_equal(crop.of(k).cut(frame), again.of(k).cut(frame)) for k in range(6))
    with pytest.raises(TrackError, match="is of whole frames"):
        saved_crop(track)


def test_a_trimmed_track_keeps_the_squares_of_its_frames():
    crop = following_crop(walking(), RULE)
    trimmed, nearest = retime(crop.track(walking()), first=10, last=19)
    assert np.array_equal(trimmed.crop, crop.path[nearest])


def test_another_number_of_frames_is_refused():
    with raises(TrackLengthError, frames=3, expected=40):
        following_crop(walking(), RULE).track(walking(3))
