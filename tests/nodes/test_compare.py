"""Compare Performance on the real ComfyUI, with the built-in mesh as its tracker."""

import json

import numpy as np
import pytest

from sk_portrait.drawn_heads import Identity, clip, truth
from sk_portrait.errors import FrameCountError, SettingError
from sk_portrait.face_tools.track_errors import TrackLengthError, UnusableTrackerError
from sk_portrait.testing.raised import raises
from sk_portrait.testing.talking_head import talking_head

NO_MESH = "the built-in FaceMesh needs mediapipe 0.10.21"
pytest.importorskip("mediapipe.python.solutions.face_mesh", reason=NO_MESH)

FPS, FRAMES = 15.0, 30


@pytest.fixture(scope="module")
def driver(comfy):
    """Images of the talking head and their track."""
    import torch

    from sk_portrait.nodes import folders
    from sk_portrait.nodes.face.track import TrackFace

    folders.register()
    frames = np.stack(talking_head()[::2][:FRAMES])
    images = torch.from_numpy(frames.astype(np.float32) / 255)
    return images, TrackFace.execute(images, FPS, "mediapipe-mesh", "largest", 1, "interpolate").args[0]


def compared(track, result, source="as the driver", label="", length=0, overlap=4, **wires):
    """Outputs by name, and the figures of the last one."""
    from sk_portrait.nodes.face.compare import ComparePerformance

    values = ComparePerformance.execute(track, result, source, label, length, overlap, **wires).result
    names = [output.display_name for output in ComparePerformance.define_schema().outputs]
    return dict(zip(names, values)), json.loads(values[-1])


def test_images_against_their_own_track_are_0_and_1(driver):
    images, track = driver
    outputs, figures = compared(track, images, driver_images=images, label="itself")
    assert outputs["pose_distance"] == outputs["expression_distance"] == outputs["flicker"] == 0
    assert outputs["yaw correlation"] == pytest.approx(1) and figures["faults"] == []
    assert outputs["plot"].shape == (1, 800, 1200, 3) and outputs["sheet"].shape[-1] == 3
    for part in ("30 frames, 30 of them compared", "fault: none", "contradicts itself by", "approximate"):
        assert part in outputs["report"]
    assert np.isnan(outputs["identity"]) and figures["identity"] is None


def test_a_video_is_read_as_a_stream(driver, tmp_path):
    from comfy_api.latest import InputImpl

    from sk_portrait.face_tools import video_file

    images, track = driver
    frames = [(image.numpy() * 255).astype(np.uint8) for image in images]
    video_file.write(str(tmp_path / "result.mp4"), frames, FPS)
    _, figures = compared(track, InputImpl.VideoFromFile(str(tmp_path / "result.mp4")))
    assert figures["pose_distance"] < 1 and figures["correlation_jaw"] > 0.9


def test_seams_are_measured_at_the_windows_of_the_sampler(driver):
    images, track = driver
    darker = images.clone()
    darker[10:] *= 0.8
    results = (compared(track, i, length=10, overlap=0, driver_images=images) for i in (darker, images))
    with_seam, without = (outputs["seams"] for outputs, _ in results)
    assert with_seam > 1.5 and without == 1


def test_identity_comes_from_an_arcface_file_of_the_artist(driver, tmp_path, monkeypatch):
    import folder_paths

    from sk_portrait.testing.stand_ins import onnx_faces

    images, track = driver
    folder = tmp_path / "insightface" / "models" / "buffalo_l"
    folder.mkdir(parents=True)
    onnx_faces.embedding(folder / "w600k_r50.onnx")
    monkeypatch.setattr(folder_paths, "models_dir", str(tmp_path))
    other = images[:1].flip(-1)
    own, stranger = (compared(track, images, portrait=portrait)[0] for portrait in (images[:1], other))
    assert own["identity"] > stranger["identity"] + 0.1
    assert "by ArcFace (w600k_r50.onnx), 30 frames" in own["report"]


def test_a_track_without_a_picture_is_compared_by_its_curves(driver):
    images, _ = driver
    drawn = truth(Identity.of(1), clip(3, FRAMES, FPS), 128, FPS).replace(source="recording")
    outputs, _ = compared(drawn, images, "mediapipe-mesh")
    assert "trust the correlations, not the distances" in outputs["report"]


def test_a_result_without_a_face_is_told_and_does_not_stop_the_graph(driver):
    images, track = driver
    outputs, figures = compared(track, images * 0)
    assert "No face was found in any of the 30 frames" in outputs["report"] and figures == {
        "faults": ["missed"]
    }
    assert np.isnan(outputs["pose_distance"]) and outputs["sheet"].shape == images[:1].shape


def test_other_lengths_are_refused_with_both_numbers(driver):

    images, track = driver
    with raises(TrackLengthError, frames=30, expected=29):
        compared(track, images[:-1])
    with raises(FrameCountError, frames=29, expected=30):
        compared(track, images, driver_images=images[:-1])


def test_the_hosts_own_tracker_must_be_wired_again(driver):

    images, track = driver
    with raises(UnusableTrackerError, tracker="comfyui-landmarks"):
        compared(track.replace(source="comfyui-landmarks"), images)


def test_a_sweep_gives_one_value_after_the_other_and_keeps_the_rest(comfy):
    from sk_portrait.nodes.face.sweep import SweepSetting

    drive, reference, cfg, steps, labels = SweepSetting.execute("steps", "4, 8 25", 1.0, 0.8, 1.5, 25).result
    assert steps == [4, 8, 25] and all(isinstance(value, int) for value in steps)
    assert drive == [1.0] * 3 and reference == [0.8] * 3 and cfg == [1.5] * 3
    assert labels == ["steps 4", "steps 8", "steps 25"]


@pytest.mark.parametrize(
    ("setting", "values", "quoted"), [("cfg", "1, two", "two"), ("steps", "4.5", "4.5"), ("cfg", " ", " ")]
)
def test_values_that_cannot_be_swept_are_quoted(comfy, setting, values, quoted):
    from sk_portrait.nodes.face.sweep import SweepSetting

    with raises(SettingError, setting=setting, value=quoted):
        SweepSetting.execute(setting, values, 1.0, 1.0, 1.5, 25)


def test_a_grid_holds_all_sheets(comfy):
    import torch

    from sk_portrait.nodes.face.sweep import ComparisonGrid

    sheets = [torch.full((1, 20, 10 + k, 3), k / 4) for k in range(3)]
    (grid,) = ComparisonGrid.execute(sheets, [2]).result
    assert grid.shape == (1, 40, 24, 3)
    levels = [float(grid[0, y, x, 0]) for y, x in ((5, 5), (5, 13), (25, 5), (25, 20))]
    assert levels == [0, 0.25, 0.5, 1]
