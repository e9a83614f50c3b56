"""ComfyUI's own landmarker with real networks on real faces: the path that the templates take."""

import numpy as np
import pytest

from sk_portrait.face_tools.coefficients import ASSUMED_ORDER
from sk_portrait.face_tools.trackers.faces import turned_back
from sk_portrait.face_tools.trackers.tiles import overlap
from sk_portrait.face_tools.trackers.tracking import track_faces
from sk_portrait.testing.real_faces import comfy_landmarker, photograph
from sk_portrait.testing.talking_head import talking_head

FRAMES = slice(0, 120, 24)


@pytest.fixture(scope="module")
def tracker(comfy):
    from sk_portrait.nodes.face.host_tracker import HostTracker

    return HostTracker(comfy_landmarker(), ASSUMED_ORDER)


@pytest.fixture(scope="module")
def upright(tracker):
    return track_faces(talking_head()[FRAMES], tracker, 1.25)


def turned(frames, turn):
    return [np.ascontiguousarray(np.rot90(frame, turn)) for frame in frames]


def apart(track, turn, upright):
    """Largest distance of a turned clip's landmarks from the upright clip's, in widths of the face."""
    points = np.stack([turned_back(row[:, :2], turn, upright.size) for row in track.landmarks])
    width = np.ptp(upright.landmarks[..., 0], axis=1)
    return (np.linalg.norm(points - upright.landmarks[..., :2], axis=2).mean(1) / width).max()


def test_a_real_clip_is_found_in_every_frame(upright):
    assert upright.valid.all() and upright.source == "comfyui-landmarks"
    assert np.abs(np.degrees(upright.rotation[:, 2])).max() < 30
    assert np.ptp(upright.coefficients, axis=0).max() > 0.05  # he speaks


@pytest.mark.parametrize("turn", [1, 2, 3])
def test_a_turned_clip_is_tracked_too(tracker, upright, turn):
    track = track_faces(turned(talking_head()[FRAMES], turn), tracker, 1.25)
    assert track.valid.all() and apart(track, turn, upright) < 0.03


def test_the_detector_alone_finds_the_face_at_its_place(tracker):
    frame = talking_head()[0]
    (alone,), (whole,) = tracker.detect(frame), tracker.glance(frame)
    assert overlap(alone.box, whole.box) > 0.5
    assert abs(alone.roll - whole.roll) < np.radians(15) and alone.score == pytest.approx(whole.score)


@pytest.mark.parametrize("turn", [0, 2])
def test_small_faces_are_found_in_tiles(tracker, turn):
    """As by the other trackers. The detector for far faces takes the hands for a face, the mesh does not."""
    import cv2

    photo = photograph("man")
    large = track_faces([photo], tracker, 1.0)
    small = cv2.resize(photo, (280, 350), interpolation=cv2.INTER_AREA)
    wide = np.full((1000, 1400, 3), 128, np.uint8)
    wide[300:650, 800:1080] = small
    track = track_faces(turned([wide], turn), tracker, 1.0)
    points = turned_back(track.landmarks[0, :, :2], turn, (1400, 1000)) - [800, 300]
    expected = large.landmarks[0, :, :2] * (280 / photo.shape[1])
    assert np.linalg.norm(points - expected, axis=1).mean() < 0.1 * np.ptp(expected[:, 0])
