"""Pictures of a track."""

import numpy as np
import pytest

from sk_portrait.face_tools.coefficients import ARKIT_51
from sk_portrait.face_tools.pictures.chart import CURVES, NOT_DETECTED
from sk_portrait.face_tools.pictures.preview import DETECTED, draw_overlay, draw_plot, lively
from sk_portrait.face_tools.recordings.presets import preset
from sk_portrait.face_tools.track import FaceTrack
from sk_portrait.face_tools.track_errors import NoCoefficientsError
from sk_portrait.testing.raised import raises


def make(count=50, not_detected=()):
    grid = np.stack(np.meshgrid(np.linspace(220, 420, 23), np.linspace(120, 360, 21)), -1).reshape(-1, 2)[
        :478
    ]
    coefficients = np.zeros((count, 51), np.float32)
    coefficients[:, ARKIT_51.index("jawOpen")] = np.linspace(0, 1, count)
    return FaceTrack(
        source="test",
        scheme="mediapipe478",
        fps=25.0,
        size=(640, 480),
        valid=~np.isin(np.arange(count), not_detected),
        box=np.tile(np.float32([220, 120, 420, 360]), (count, 1)),
        landmarks=np.tile(grid.astype(np.float32), (count, 1, 1)),
        rotation=np.zeros((count, 3), np.float32),
        translation=np.tile(np.float32([0, 0, -5]), (count, 1)),
        coefficients=coefficients,
    )


def holds(picture, colour):
    return (picture.reshape(-1, 3) == colour).all(1).any()


def test_the_overlay_leaves_the_frame_alone_and_draws_on_the_face():
    frame = np.full((480, 640, 3), 90, np.uint8)
    picture = draw_overlay(frame, make(), 3)
    assert (frame == 90).all() and picture.shape == frame.shape
    assert holds(picture[110:370, 210:430], DETECTED) and not holds(picture, NOT_DETECTED)
    assert (picture[:75] == 90).all() and (picture[120:440, 480:] == 90).all()


def test_undetected_rows_are_drawn_in_another_colour():
    frame = np.zeros((480, 640, 3), np.uint8)
    track = make(not_detected=(7,))
    assert holds(draw_overlay(frame, track, 7), NOT_DETECTED) and not holds(
        draw_overlay(frame, track, 8), NOT_DETECTED
    )


def test_a_frame_of_another_size_gets_the_track_scaled():
    picture = draw_overlay(np.zeros((960, 1280, 3), np.uint8), make(), 0)
    drawn = np.argwhere(picture[:900].any(-1))
    assert 435 <= drawn[:, 1].min() <= 441 and 719 <= drawn[:, 0].max() <= 725


def test_a_track_without_landmarks_and_a_face_outside_the_frame_are_drawn_too():
    draw_overlay(np.zeros((512, 512, 3), np.uint8), preset("smile"), 0)
    track = make(1)
    draw_overlay(
        np.zeros((64, 64, 3), np.uint8),
        track.replace(landmarks=track.landmarks * 1e5, box=track.box * 1e5),
        0,
    )


def test_the_plot_has_its_size_and_a_rising_curve():
    picture = draw_plot(make(), ("jawOpen",), (800, 300))
    assert picture.shape == (300, 800, 3) and picture.dtype == np.uint8
    rows = [
        np.argwhere((np.abs(picture[:, x].astype(int) - CURVES[0]) < 60).all(-1)).mean()
        for x in (100, 300, 500)
    ]
    assert rows[0] > rows[1] > rows[2]


def test_undetected_frames_are_marked_where_they_are():
    plain = draw_plot(make(), size=(800, 400))
    marked = draw_plot(make(not_detected=range(20, 30)), size=(800, 400))
    columns = np.flatnonzero((plain != marked)[20:150].any((0, 2)))
    left, right = 46 + 20 / 50 * 604, 46 + 30 / 50 * 604
    assert abs(columns.min() - left) < 4 and abs(columns.max() - right) < 4


@pytest.mark.parametrize("track", [preset("smile"), make(2), make(2000), make(30).replace(coefficients=None)],
                         ids=["one row", "two rows", "long", "no coefficients"])  # fmt: skip
def test_any_track_can_be_plotted(track):
    assert draw_plot(track).shape == (512, 1024, 3)


def test_nobody_chose_so_the_liveliest_are_drawn():
    assert lively(make())[0] == "jawOpen"
    with raises(NoCoefficientsError, source=make().source):
        draw_plot(make().replace(coefficients=None), ("jawOpen",))
