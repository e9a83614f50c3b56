"""The published ONNX set as a tracker, on tiny graphs of the official shapes, and its geometry on golden values."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from sk_portrait.face_tools.coefficients import (
    ARKIT_51,
    ASSUMED_ORDER,
    LIVE_LINK_51,
    ORDER_FILE,
    to_network_order,
)
from sk_portrait.face_tools.track_errors import NoFaceError, UnusableTrackerError
from sk_portrait.face_tools.trackers import onnx_face, onnx_source
from sk_portrait.face_tools.trackers.faces import ModelFiles, Source
from sk_portrait.face_tools.trackers.head_pose import focal_length
from sk_portrait.face_tools.trackers.onnx_detector import FaceDetector, letterbox, suppress
from sk_portrait.face_tools.trackers.onnx_session import OnnxNet
from sk_portrait.face_tools.trackers.tracking import track_faces
from sk_portrait.testing.raised import raises
from sk_portrait.testing.stand_ins import onnx_faces as stand_ins

pytest.importorskip("onnxruntime")
GOLDEN = json.loads((Path(__file__).parent.parent / "golden/face/geometry.json").read_text())


@pytest.fixture(scope="module", params=["N", 1], ids=["dynamic batch", "batch of one"])
def models(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("face_tools")
    stand_ins.write_all(folder, request.param)
    return ModelFiles((str(folder),))


@pytest.fixture
def source(models):
    opened = onnx_source.open_source(models)
    yield opened
    opened.close()


def test_cut_around_landmarks_is_the_published_one():
    points = np.array(GOLDEN["crop"]["landmarks_in"])
    cut = onnx_face.cut_around(points, 224, 0.35, np.deg2rad(17))
    np.testing.assert_allclose(cut.matrix, GOLDEN["warp_gt"]["M"], atol=1e-4)
    assert cut.scale == pytest.approx(GOLDEN["warp_gt"]["scale"], abs=1e-6)
    np.testing.assert_allclose(cut.centre, [GOLDEN["warp_gt"]["cx"], GOLDEN["warp_gt"]["cy"]], atol=1e-4)


def test_cut_around_a_box_is_the_published_one():
    cut = onnx_face.cut_around_box(np.array([100, 120, 260, 300]), 128, 0.15)
    np.testing.assert_allclose(cut.matrix, GOLDEN["warp_bbox"], atol=1e-6)


def test_translation_from_cut_to_frame_is_the_published_one():
    cut = onnx_face.Cut(np.eye(2, 3), 0.6, np.array([210.0, 190.0]))
    got = onnx_face.frame_translation(np.array([0.02, -0.03, -7.0]), cut, (512, 512))
    np.testing.assert_allclose(got, GOLDEN["crop_transl"], atol=1e-6)


@pytest.mark.parametrize("size", [(512, 512), (1280, 720)])
def test_a_point_of_the_head_projects_to_the_same_pixel_through_cut_and_frame(size):
    cut = onnx_face.cut_around_box(np.array([300, 180, 420, 340]), 224, 0.35)
    head = np.array([0.01, -0.02, -6.0])
    frame = onnx_face.frame_translation(head, cut, size, focal_length(size))
    in_cut = 112 + onnx_face.FOCAL_LENGTH * head[:2] / -head[2] * (1, -1)
    in_frame = np.array(size) / 2 + focal_length(size) * frame[:2] / -frame[2] * (1, -1)
    np.testing.assert_allclose(cut.matrix @ (*in_frame, 1), in_cut, atol=1e-6)


def test_a_huge_face_is_averaged_not_skipped_over():
    stripes = np.zeros((2000, 2000, 3), np.uint8)
    stripes[:, ::2] = 255  # one pixel wide: sampling alone would give stripes or flat black or white
    cut = onnx_face.cut_around_box(np.array([200, 200, 1800, 1800]), 128, 0.15)
    picture = onnx_face.take(stripes, cut, 128)[20:-20, 20:-20]
    assert abs(picture.astype(float) - 127.5).max() < 12


def test_averaging_does_not_move_the_picture():
    frame = cv2.GaussianBlur(stand_ins.square(1600, 1200, (830, 610), 500), (0, 0), 6)
    cut = onnx_face.cut_around(np.array([[500.0, 300], [1100, 900]]), 128, 0.15, 0.3)
    plain = cv2.warpAffine(frame, cut.matrix, (128, 128)).astype(float)
    assert abs(onnx_face.take(frame, cut, 128) - plain).mean() < 1


def test_detector_finds_the_square_where_it_is(tmp_path):
    stand_ins.detector(tmp_path / "d.onnx")
    boxes = FaceDetector(str(tmp_path / "d.onnx"))(stand_ins.square(320, 544, (192, 256), 64)[..., ::-1])
    # 320 x 544 shrinks by 2: the square's middle falls on cell (96, 128), 2 strides to each side
    np.testing.assert_array_equal(boxes[0, :4], [64, 128, 320, 384])
    assert 0.4 < boxes[0, 4] <= 1 and boxes.dtype == np.float32


def test_detector_searches_tiles_for_a_small_face(tmp_path):
    stand_ins.detector(tmp_path / "d.onnx")
    detector = FaceDetector(str(tmp_path / "d.onnx"))
    frame = stand_ins.square(640, 480, (530, 110), 70)[..., ::-1]
    assert len(detector.detect(frame)) == 0
    (box,) = detector(frame)
    assert box[0] < 530 < box[2] and box[1] < 110 < box[3]
    assert len(detector(np.zeros_like(frame))) == 0


def test_letterbox_keeps_the_ratio_and_centres():
    np.testing.assert_allclose(letterbox(1280, 720) @ (640, 360, 1), (80, 136))
    assert letterbox(1280, 720)[0, 0] == letterbox(1280, 720)[1, 1] == 160 / 1280


def test_suppression_keeps_the_best_of_each_pile():
    boxes = np.array([[0, 0, 10, 10, 0.5], [1, 0, 11, 10, 0.9], [30, 0, 40, 10, 0.6]], np.float32)
    np.testing.assert_array_equal(suppress(boxes)[:, 4], boxes[[1, 2], 4])


def test_it_is_a_source(source):
    assert isinstance(source, Source)
    assert source.name == "hello-onnx" and source.scheme == "hello222" and source.gives_coefficients
    assert "CPUExecutionProvider" in source.notes[0]
    assert "assumed: the column order" in source.notes[1] and "calibrate" in source.notes[2]


def test_a_clip_end_to_end(source):
    centres = [(150 + 3 * k, 120 - k) for k in range(40)]
    frames = [stand_ins.square(centre=centre, colour=(200 - k, 90, 255)) for k, centre in enumerate(centres)]
    rows = list(source.track(iter(frames)))
    assert [len(row) for row in rows] == [1] * 40
    for k, (face,) in enumerate(rows):
        middle = (face.box[:2] + face.box[2:]) / 2
        assert np.abs(middle - centres[k]).max() < 8  # the published filter lags behind a steady motion
        assert face.landmarks.shape == (222, 2) and face.landmarks.dtype == np.float32
        # the pose network reads RGB: its channel 0 is the square's red; the coefficient network reads BGR: channel 0 is its blue
        assert face.rotation[0] == pytest.approx((200 - k) / 255, abs=2e-3)
        raw = to_network_order(face.coefficients)
        np.testing.assert_allclose(raw[:50], np.arange(50) / 100, atol=1e-6)
        assert raw[50] == pytest.approx(0.5 + 1, abs=1e-3)
        # straight ahead in its cut, so the translation points at the middle of the landmarks
        pixel = np.array([160, 120]) + focal_length((320, 240)) * face.translation[:2] / -face.translation[
            2
        ] * (1, -1)
        np.testing.assert_allclose(pixel, middle, atol=0.05)


def test_a_still_clip_stays_finite_and_still(source):
    rows = list(source.track([stand_ins.square()] * 6))
    for (face,) in rows[1:]:
        assert np.isfinite(face.landmarks).all()
        np.testing.assert_allclose(face.landmarks, rows[0][0].landmarks, atol=0.2)


def test_the_face_is_lost_and_found_again_elsewhere(source):
    black = np.zeros((240, 320, 3), np.uint8)
    clip = [stand_ins.square(centre=(100, 120))] * 3 + [black] * 4 + [stand_ins.square(centre=(220, 100))] * 3
    rows = list(source.track(clip))
    assert [len(row) for row in rows] == [1] * 3 + [0] * 4 + [1] * 3
    assert np.abs(rows[7][0].box.reshape(2, 2).mean(0) - (220, 100)).max() < 3


def test_the_detector_rests_while_the_face_is_followed(source, monkeypatch):
    calls = []
    detect = source.detector.detect
    monkeypatch.setattr(source.detector, "detect", lambda picture: calls.append(1) or detect(picture))
    list(source.track([stand_ins.square(side=120)] * 8))
    assert len(calls) == 1


def test_two_faces_are_followed_and_one_that_left_is_found_again(source):
    left = stand_ins.square(640, 480, (130, 240), 140)
    both = np.maximum(left, stand_ins.square(640, 480, (490, 200), 140))
    rows = list(source.track([both, both, left, left, both]))
    assert [len(row) for row in rows] == [2, 2, 1, 1, 2]
    for row in rows:
        assert np.abs(min(face.box[0] for face in row) - 60) < 4
    assert max(face.box[0] for face in rows[-1]) == pytest.approx(420, abs=4)


def test_one_call_is_one_clip(source):
    first = list(source.track([stand_ins.square(centre=(120, 120))] * 2))
    second = list(source.track([stand_ins.square(centre=(120, 120))] * 2))
    np.testing.assert_array_equal(first[1][0].landmarks, second[1][0].landmarks)


def test_an_empty_clip_gives_nothing(source):
    assert list(source.track([])) == []


def test_reads_only_a_few_frames_ahead(source):
    taken = 0

    def clip():
        nonlocal taken
        for _ in range(100):
            taken += 1
            yield stand_ins.square()

    next(source.track(clip()))
    assert taken <= onnx_source.BATCH


def test_batches_only_where_the_graph_keeps_the_axis(tmp_path):
    stand_ins.coefficients(tmp_path / "free.onnx", "N")
    stand_ins.coefficients(tmp_path / "one.onnx", 1)
    free, one = OnnxNet(str(tmp_path / "free.onnx")), OnnxNet(str(tmp_path / "one.onnx"))
    assert free.batched and not one.batched
    images = np.random.default_rng(0).random((3, 3, 224, 224), np.float32)
    np.testing.assert_allclose(free(images)[0], one(images)[0], atol=1e-6)
    assert free(images)[0].shape == (3, 51)


def test_missing_files_are_listed(tmp_path):
    stand_ins.write_all(tmp_path)
    (tmp_path / "hello_3dmm.onnx").unlink()
    (tmp_path / "hello_face_det.onnx").unlink()
    reason = onnx_source.missing(ModelFiles((str(tmp_path),)))
    assert '"hello_face_det.onnx", "hello_3dmm.onnx" were not found' in reason and str(tmp_path) in reason
    assert "hello_face_landmark" not in reason and onnx_source.PAGE in reason


def test_a_broken_file_and_a_foreign_model_are_named(tmp_path):
    (tmp_path / "broken.onnx").write_text("<html>not found</html>")
    with raises(UnusableTrackerError, tracker=str(tmp_path / "broken.onnx")):
        OnnxNet(str(tmp_path / "broken.onnx"))
    stand_ins.coefficients(tmp_path / "other.onnx")
    with raises(UnusableTrackerError, tracker=str(tmp_path / "other.onnx")):
        onnx_face.LandmarkNet(str(tmp_path / "other.onnx"))


def test_a_calibrated_order_names_the_output(tmp_path):
    stand_ins.write_all(tmp_path)
    turned = LIVE_LINK_51[::-1]
    order = type(ASSUMED_ORDER)(turned, "measured", True, (1.0,) * 51)
    order.save(tmp_path / ORDER_FILE)
    source = onnx_source.open_source(ModelFiles((str(tmp_path),)))
    ((face,),) = source.track([stand_ins.square()])
    assert face.coefficients[ARKIT_51.index(turned[7])] == pytest.approx(0.07)
    assert len(source.notes) == 2 and "measured" in source.notes[1]


def test_a_track_named_by_another_order_is_noticed(models, source):
    track = track_faces([stand_ins.square()] * 2, source, 25.0)
    other = type(ASSUMED_ORDER)(LIVE_LINK_51[::-1], "measured", True, (1.0,) * 51)
    assert onnx_source.named_otherwise(track, source.order) is None
    assert "track the video again" in onnx_source.named_otherwise(track, other)
    assert onnx_source.named_otherwise(track.replace(source="mediapipe-tasks"), other) is None


def test_the_clip_becomes_a_track_with_one_row_a_frame(source):
    black = np.zeros((240, 320, 3), np.uint8)
    clip = [stand_ins.square(centre=(100 + 4 * k, 120)) if k not in (20, 21) else black for k in range(30)]
    track = track_faces(clip, source, 25.0, on_miss="interpolate")
    assert len(track) == 30 and list(np.flatnonzero(~track.valid)) == [20, 21]
    assert (track.source, track.scheme, track.size) == ("hello-onnx", "hello222", (320, 240))
    assert (np.diff(track.box[:, 0]) > 0).all()
    with raises(NoFaceError, frame=20):
        track_faces(clip, source, 25.0)
