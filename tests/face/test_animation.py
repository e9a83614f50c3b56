"""Animated pictures are read as films: every frame for as long as its file says."""

import io

import numpy as np
import pytest

from sk_portrait.face_tools import animation, video
from sk_portrait.face_tools.video import VideoError

pytest.importorskip("PIL")
DELAYS = [30, 70, 110, 500, 20, 20, 1000, 90]
NAMES = ["film.gif", "film.png", "film.webp"]


def animated(path, delays):
    from PIL import Image

    first, *rest = [Image.fromarray(np.full((48, 64, 3), 20 + 8 * k, np.uint8)) for k in range(len(delays))]
    options = {"lossless": True} if path.suffix == ".webp" else {}
    first.save(path, save_all=True, append_images=rest, duration=delays, loop=0, **options)
    return path


def shown_for(path, fps: float) -> list[int]:
    """Milliseconds for which each picture is shown."""
    numbers = [round((float(frame.mean()) - 20) / 8) for frame in video.frames(path, fps=fps)]
    return [round(1000 * numbers.count(k) / fps) for k in range(max(numbers) + 1)]


@pytest.mark.parametrize("name", NAMES)
def test_odd_delays_keep_their_timing(tmp_path, name):
    path = animated(tmp_path / name, DELAYS)
    assert shown_for(path, 100) == DELAYS
    clip = video.probe(path)
    assert clip.seconds == pytest.approx(sum(DELAYS) / 1000) and clip.size == (64, 48) and not clip.audio
    assert clip.fps == pytest.approx(len(DELAYS) / clip.seconds)
    assert len(list(video.frames(io.BytesIO(path.read_bytes()), start=0.21, seconds=0.5, fps=20))) == 10


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("delay", [0, 10])
def test_no_delay_is_a_tenth_of_a_second_as_in_browsers(tmp_path, name, delay):
    assert shown_for(animated(tmp_path / name, [delay] * 4), 50) == [100] * 4


@pytest.mark.parametrize("name", NAMES)
def test_a_damaged_one_is_named_with_its_format(tmp_path, name):
    from PIL import Image

    path = tmp_path / name
    noise = [
        Image.fromarray(np.random.default_rng(k).integers(0, 255, (48, 64, 3), np.uint8)) for k in range(6)
    ]
    noise[0].save(path, save_all=True, append_images=noise[1:], duration=40)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(VideoError, match=r"film\.\w+ \((GIF|APNG|WebP)\) is damaged"):
        list(video.frames(path))


def test_without_pillow_a_webp_names_what_is_missing(tmp_path, monkeypatch):
    webp, gif = animated(tmp_path / "film.webp", DELAYS), animated(tmp_path / "film.gif", DELAYS)
    monkeypatch.setitem(__import__("sys").modules, "PIL", None)
    with pytest.raises(VideoError, match="film.webp is an animated WebP, which only Pillow reads"):
        video.probe(webp)
    assert animation.read(gif) is None and shown_for(gif, 100)[:7] == DELAYS[:7]  # FFmpeg reads it


def test_still_pictures_stay_with_ffmpeg(tmp_path):
    from PIL import Image

    for name in ("still.png", "still.webp"):
        Image.fromarray(np.full((48, 64, 3), 90, np.uint8)).save(tmp_path / name)
        assert animation.format_of(tmp_path / name) is None and len(list(video.frames(tmp_path / name))) == 1
