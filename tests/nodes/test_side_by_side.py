"""Side by Side Video: sizes, lengths, frame rates, sound and labels of the video that it writes."""

import numpy as np
import pytest
import torch

from sk_portrait.errors import EmptyClipError
from sk_portrait.face_tools import video
from sk_portrait.face_tools.sound import form_of
from sk_portrait.testing.raised import raises
from sk_portrait.testing.videos import number_of, numbered, write_video

FRAMES = 6


@pytest.fixture
def show(comfy, tmp_path, monkeypatch):
    """Runs the node and returns the file that it wrote."""
    import folder_paths

    from sk_portrait.nodes.face.side_by_side import SideBySide

    monkeypatch.setattr(folder_paths, "temp_directory", str(tmp_path / "temp"))
    return lambda **inputs: SideBySide.execute(**inputs).args[0].get_stream_source()


def film(path, frames=range(FRAMES), fps=25, width=64, height=48, **options):
    from comfy_api.latest import InputImpl

    pictures = [numbered(k, width, height) for k in frames]
    return InputImpl.VideoFromFile(str(write_video(path, pictures, fps=fps, **options)))


def images(levels, width=64, height=48) -> torch.Tensor:
    return torch.tensor([8 * k / 255 for k in levels])[:, None, None, None].expand(-1, height, width, 3)


def columns(path, *bounds) -> list[list[int]]:
    """The number of each frame of the file, between each pair of columns."""
    parts = list(zip(bounds, bounds[1:]))
    return [[number_of(frame[:, a + 2 : b - 2]) for a, b in parts] for frame in video.frames(path)]


def test_driver_pose_and_result_stand_in_this_order_at_the_height_of_the_result(show, tmp_path):
    driver, pose = film(tmp_path / "driver.mp4", width=96, height=96), images(range(10, 16), 32, 64)
    result = images(range(20, 26), 48, 48)
    path = show(result=result, driver=driver, pose=pose, fps=25.0, labels=False)
    clip = video.probe(path)
    assert clip.size == (48 + 24 + 48, 48) and clip.fps == 25
    assert columns(path, 0, 48, 72, 120) == [[k, 10 + k, 20 + k] for k in range(FRAMES)]


def test_the_result_decides_the_length_and_a_shorter_driver_holds_its_last_frame(show):
    path = show(result=images(range(20, 26)), driver=images([1, 2]), pose=images(range(5, 15)), labels=False)
    seen = columns(path, 0, 64, 128, 192)
    assert seen == [[min(1 + k, 2), 5 + k, 20 + k] for k in range(FRAMES)]


def test_a_driver_of_another_frame_rate_is_shown_at_the_same_time(show, tmp_path):
    driver = film(tmp_path / "driver.mp4", range(12), fps=30)
    path = show(result=images(range(20, 26)), driver=driver, fps=15.0, labels=False)
    assert video.probe(path).fps == 15
    assert columns(path, 0, 64, 128) == [[2 * k, 20 + k] for k in range(FRAMES)]


def test_a_result_video_keeps_its_frame_rate_and_its_sound(show, tmp_path):
    result = film(tmp_path / "result.mp4", range(12), fps=12, tone_seconds=1.0)
    path = show(result=result, driver=images(range(12)))
    assert video.probe(path).fps == 12 and len(list(video.frames(path))) == 12
    assert form_of(path) == form_of(str(tmp_path / "result.mp4"))


def test_a_silent_result_takes_the_sound_of_the_driver_and_a_connected_sound_comes_first(show, tmp_path):
    driver = film(tmp_path / "driver.mp4", tone_seconds=1.0)
    assert form_of(show(result=images(range(FRAMES)), driver=driver)).layout == "mono"
    assert form_of(show(result=images(range(FRAMES)))) is None
    stereo = {"waveform": torch.zeros(1, 2, 22050), "sample_rate": 44100}
    assert form_of(show(result=images(range(FRAMES)), driver=driver, audio=stereo)).layout == "stereo"


def test_labels_are_written_into_the_corners_and_nowhere_else(show):
    grey = images([10] * 2, 128, 128)
    plain, labelled = (
        next(video.frames(show(result=grey, driver=grey, labels=labels))) for labels in (False, True)
    )
    changed = np.abs(plain.astype(int) - labelled).max(-1) > 40
    assert changed[100:, :128].any() and changed[100:, 128:].any() and not changed[:90].any()


def test_height_is_set_and_pictures_keep_their_shape(show):
    path = show(result=images(range(2), 64, 48), driver=images(range(2), 30, 20), height=96)
    assert video.probe(path).size == (128 + 144, 96)


@pytest.mark.parametrize("name", ["result", "driver"])
def test_pictures_without_a_frame_are_named(show, name):
    with raises(EmptyClipError, what=f"frame of {name}"):
        show(**({"result": images(range(2))} | {name: torch.zeros(0, 48, 64, 3)}))
