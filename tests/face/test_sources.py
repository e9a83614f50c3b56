"""Which tracker is taken, and what is said where one cannot run."""

import zipfile
from types import SimpleNamespace

import numpy as np
import pytest

from sk_portrait.face_tools.coefficients import ARKIT_51, ASSUMED_ORDER
from sk_portrait.face_tools.track_errors import FrameSizeError, TrackError, UnusableTrackerError
from sk_portrait.face_tools.trackers import mediapipe_mesh, mediapipe_tasks, sources
from sk_portrait.face_tools.trackers.faces import ModelFiles
from sk_portrait.face_tools.trackers.head_pose import solve
from sk_portrait.face_tools.trackers.host_landmarks import HostLandmarks
from sk_portrait.face_tools.trackers.tracking import track_faces
from sk_portrait.testing.raised import raises


@pytest.fixture
def pretend(monkeypatch):
    """Pretend that this version of mediapipe is installed; None: none is."""

    def install(version):
        parts = None if version is None else tuple(int(part) for part in version.split("."))
        for module in (mediapipe_mesh, mediapipe_tasks):
            monkeypatch.setattr(module, "installed_version", lambda: parts)

    return install


def bundle(folder, members=mediapipe_tasks.MEMBERS) -> ModelFiles:
    with zipfile.ZipFile(folder / mediapipe_tasks.FILE, "w") as file:
        for member in members:
            file.writestr(member, b"model")
    return ModelFiles((str(folder),))


def test_auto_prefers_coefficients_and_falls_back_to_the_mesh(tmp_path, pretend):
    pretend("0.10.21")
    assert sources.choose(ModelFiles((str(tmp_path),))) == "mediapipe-mesh"
    assert sources.choose(bundle(tmp_path)) == "mediapipe-tasks"


def test_mediapipe_1_is_never_taken_unasked(tmp_path, pretend):
    pretend("1.2.2")
    models = bundle(tmp_path)
    with pytest.raises(UnusableTrackerError, match="sends usage metrics") as error:
        sources.choose(models)
    assert "1.2.2 is installed; put face_landmarker.task in place" in str(error.value)
    assert mediapipe_tasks.missing(models) is None
    assert "sends usage metrics" in mediapipe_tasks.consent()
    with pytest.raises(UnusableTrackerError, match="start ComfyUI with SK_PORTRAIT_ALLOW_METRICS=1"):
        sources.open_source("mediapipe-tasks", models)


def test_without_mediapipe_each_source_says_how_to_get_it(tmp_path, pretend):
    pretend(None)
    assert "pip install" in mediapipe_mesh.missing(ModelFiles()) and "pip install" in mediapipe_tasks.missing(
        ModelFiles()
    )
    with pytest.raises(
        UnusableTrackerError, match=r"\[hello-onnx\].*\[mediapipe-tasks\].*\[mediapipe-mesh\]"
    ):
        sources.choose(ModelFiles((str(tmp_path),)))


def test_a_missing_bundle_names_file_folder_and_page(tmp_path, pretend):
    pretend("0.10.21")
    sentence = mediapipe_tasks.missing(ModelFiles((str(tmp_path / "a"), str(tmp_path / "b"))))
    for word in (
        '"face_landmarker.task"',
        str(tmp_path / "a"),
        str(tmp_path / "b"),
        mediapipe_tasks.PAGE,
        "nothing is downloaded",
    ):
        assert word in sentence


def test_a_bundle_that_is_none_is_recognised_before_mediapipe_sees_it(tmp_path, pretend):
    pretend("0.10.21")
    (tmp_path / mediapipe_tasks.FILE).write_text("<html>404</html>")
    with pytest.raises(
        UnusableTrackerError, match=r"\(16 bytes\) is not a MediaPipe task bundle; it looks like an HTML page"
    ):
        sources.open_source("mediapipe-tasks", ModelFiles((str(tmp_path),)))
    models = bundle(tmp_path, mediapipe_tasks.MEMBERS - {"face_blendshapes.tflite"})
    with pytest.raises(UnusableTrackerError, match="lacks face_blendshapes.tflite"):
        sources.open_source("mediapipe-tasks", models)


def test_a_bundle_of_the_right_form_with_the_wrong_content(tmp_path):
    pytest.importorskip("mediapipe")
    if mediapipe_tasks.consent():
        pytest.skip("MediaPipe 1.x would send usage metrics")
    with raises(UnusableTrackerError, tracker="mediapipe-tasks"):
        sources.open_source("mediapipe-tasks", bundle(tmp_path))


def categories(names=ARKIT_51):
    shuffled = np.random.default_rng(0).permutation(["_neutral", *names])
    return [
        SimpleNamespace(category_name=str(name), score=names.index(name) / 100 if name in names else 0.9)
        for name in shuffled
    ]


def test_blendshapes_go_by_name():
    assert np.allclose(mediapipe_tasks.by_name(categories()), np.arange(51) / 100)
    with pytest.raises(UnusableTrackerError, match="gave no jawOpen"):
        mediapipe_tasks.by_name(categories([name for name in ARKIT_51 if name != "jawOpen"]))


class Landmarker:
    """Answers as MediaPipe's FaceLandmarker does: normalised points, z on the scale of x."""

    def __init__(self, points):
        self.points = points

    def detect(self, image):
        points = [
            SimpleNamespace(x=x, y=y, z=z)
            for x, y, z in self.points / [image.width, image.height, image.width]
        ]
        return SimpleNamespace(face_landmarks=[points], face_blendshapes=[categories()])

    def close(self):
        pass


def a_head(seed=0) -> np.ndarray:
    from sk_portrait.face_tools.trackers.template import RIGID_CM, RIGID_POINTS

    points = np.random.default_rng(seed).uniform(-5, 5, (478, 3))
    points[list(RIGID_POINTS)] = RIGID_CM
    points[[61, 291]] = (-2.5, -4.5, 2), (2.5, -4.5, 2)  # the mouth's corners
    return points * [10, -10, -10] + [320, 180, 0]


def test_the_tasks_source_gives_pixels_pose_and_named_coefficients():
    pytest.importorskip("mediapipe")
    with mediapipe_tasks.TasksSource(lambda: Landmarker(a_head()), ("note",)) as source:
        track = track_faces([np.zeros((360, 640, 3), np.uint8)] * 2, source, 25.0)
    assert np.allclose(track.landmarks[0], a_head(), atol=1e-3) and track.notes == ("note",)
    assert np.allclose(track.coefficients[1], np.arange(51) / 100) and np.abs(track.rotation).max() < 1e-4


def payload(frames) -> dict:
    """ComfyUI's FACE_LANDMARKS: pixels, and the network's own upright 192 px picture."""
    return {
        "frames": [[host_face(points) for points in frame] for frame in frames],
        "image_size": (360, 640),
        "connection_sets": {},
    }


def host_face(points) -> dict:
    roll = 0.4  # the network saw the face turned back by its roll and shrunk
    turn = np.array([[np.cos(roll), -np.sin(roll)], [np.sin(roll), np.cos(roll)]])
    own = np.concatenate([(points[:, :2] - 200) @ turn * 0.5 + 96, points[:, 2:] * 0.5], 1)
    return {
        "bbox_xyxy": np.concatenate([points[:, :2].min(0), points[:, :2].max(0)]),
        "blendshapes": {"_neutral": 0.9, **{name: k / 100 for k, name in enumerate(ARKIT_51)}},
        "landmarks_xy": points[:, :2], "landmarks_3d": own, "presence": 3.0, "score": 0.9,
    }  # fmt: skip


def test_the_hosts_landmarks_become_a_track():
    source = HostLandmarks(payload([[a_head()], [], [a_head() + [5, 0, 0]]]), ASSUMED_ORDER)
    frames = [np.zeros((360, 640, 3), np.uint8)] * 3
    track = track_faces(frames, source, 25.0, on_miss="interpolate")
    assert track.source == "comfyui-landmarks" and track.valid.tolist() == [True, False, True]
    assert np.allclose(track.landmarks[0], a_head(), atol=1e-2)
    assert np.allclose(track.own_rotation[0], solve(a_head(), "mediapipe478", (640, 360))[0], atol=1e-4)
    assert np.allclose(track.coefficients[1], np.arange(51) / 100)
    assert "Experimental" in track.notes[0]


def test_people_are_followed_without_pictures_too():
    left, right = a_head() - [200, 0, 0], a_head() + [150, 0, 0]
    source = HostLandmarks(payload([[right, left]] * 3), ASSUMED_ORDER)
    track = track_faces([np.zeros((360, 640, 3), np.uint8)] * 3, source, 25.0)
    assert track.valid.all() and np.ptp(track.box[:, 0]) == 0


@pytest.mark.parametrize("wrong", [None, {}, {"frames": [[{"landmarks_xy": 1}]], "image_size": (360, 640)}])
def test_something_else_is_not_the_hosts_landmarks(wrong):
    with pytest.raises(TrackError, match="not ComfyUI's face landmarks: expected"):
        track_faces([np.zeros((360, 640, 3), np.uint8)], HostLandmarks(wrong, ASSUMED_ORDER), 25.0)


def test_sizes_that_differ_are_named():
    with raises(FrameSizeError, size=(320, 240), expected=(640, 360)):
        track_faces(
            [np.zeros((240, 320, 3), np.uint8)], HostLandmarks(payload([[a_head()]]), ASSUMED_ORDER), 25.0
        )
