"""A video written frame by frame reads back as itself, with its sound, in the memory of a few frames."""

import numpy as np
import pytest

from sk_portrait.errors import EmptyClipError
from sk_portrait.face_tools import video
from sk_portrait.face_tools.sound import sound
from sk_portrait.face_tools.video_file import write
from sk_portrait.testing.raised import raises


def bars(count: int, size: tuple[int, int] = (96, 64)):
    width, height = size
    for k in range(count):
        frame = np.full((height, width, 3), 40, np.uint8)
        frame[:, : (k + 1) * width // count] = (200, 120, 60)
        yield frame


@pytest.mark.parametrize("size", [(96, 64), (95, 63)])
def test_frames_come_back(tmp_path, size):
    path = str(tmp_path / "bars.mp4")
    write(path, bars(10, size), 12.5)
    seen = list(video.frames(path))
    assert len(seen) == 10 and video.probe(path).fps == pytest.approx(12.5) and video.probe(path).size == size
    for frame, wanted in zip(seen, bars(10, size)):
        assert np.abs(frame.astype(int) - wanted).mean() < 4


def test_the_sound_lasts_as_long_as_the_picture(tmp_path):
    path, rate = str(tmp_path / "tone.mp4"), 16_000
    tone = np.sin(np.arange(rate) * 440 * 2 * np.pi / rate).astype(np.float32)[None]
    write(path, bars(10), 10.0, (tone, rate))
    heard, heard_rate = sound(path, 0.0, 1.0)
    assert heard_rate == rate and heard.shape[1] == rate
    strongest = np.abs(np.fft.rfft(heard[0])).argmax() * rate / heard.shape[1]
    assert strongest == pytest.approx(440, abs=2)


def test_a_part_of_the_sound_is_that_part(tmp_path):
    path, rate = str(tmp_path / "two_tones.mp4"), 16_000
    halves = [np.sin(np.arange(2 * rate) * pitch * 2 * np.pi / rate) for pitch in (300, 900)]
    write(path, bars(40), 10.0, (np.concatenate(halves).astype(np.float32)[None], rate))
    heard, _ = sound(path, 2.5, 1.0)
    assert np.abs(np.fft.rfft(heard[0])).argmax() == pytest.approx(900, abs=2)


def test_no_frame_is_an_error(tmp_path):
    with raises(EmptyClipError, what="frame to write"):
        write(str(tmp_path / "none.mp4"), iter(()), 25.0)


class Cancelled(Exception):
    """As ComfyUI raises it."""


def test_what_stops_the_frames_leaves_no_half_video(tmp_path):
    def broken():
        yield from bars(5)
        raise Cancelled

    with pytest.raises(Cancelled):
        write(str(tmp_path / "v.mp4"), broken(), 25.0)
    assert not list(tmp_path.iterdir())
