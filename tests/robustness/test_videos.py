"""Damaged videos, odd orientations and clocks, long files."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from sk_portrait.face_tools import video
from sk_portrait.face_tools.sound import sound
from sk_portrait.face_tools.video import VideoError
from sk_portrait.testing.raised import raises
from sk_portrait.testing.videos import number_of, numbered, write_audio_only, write_video

QUADRANTS = (
    np.kron(np.array([[40, 90], [140, 200]]), np.ones((32, 32)))[..., None].repeat(3, -1).astype(np.uint8)
)
MATRICES = {  # a b c d of the file's display matrix -> what a player shows of the quadrants
    "mirrored": ((-1, 0, 0, 1), QUADRANTS[:, ::-1]),
    "flipped upside down": ((1, 0, 0, -1), QUADRANTS[::-1]),
    "turned by 180 degrees": ((-1, 0, 0, -1), QUADRANTS[::-1, ::-1]),
    "turned and mirrored": ((0, 1, 1, 0), QUADRANTS.swapaxes(0, 1)),
    "turned by 90 degrees": ((0, 1, -1, 0), np.rot90(QUADRANTS, -1)),
}
CUT = r"was cut short: it announces 2\.40 s"


def read(path: Path, **part) -> list[np.ndarray]:
    return list(video.frames(path, **part))


def numbers(path: Path, **part) -> list[int]:
    return [number_of(frame) for frame in read(path, **part)]


def cut(path: Path, **options) -> Path:
    """The first half of a video of 2.4 s whose bytes are spread over its length."""
    noise = [np.random.default_rng(k).integers(0, 255, (48, 64, 3), np.uint8) for k in range(60)]
    data = write_video(path, noise, **options).read_bytes()
    path.write_bytes(data[: len(data) // 2])
    return path


@pytest.mark.parametrize(
    "content, words",
    [(b"", r"is empty \(0 bytes\)"), (b"<html>404</html>" * 100, "is not a video")],
    ids=["empty", "web page"],
)
def test_a_file_that_is_not_a_video(tmp_path, content, words):
    (tmp_path / "v.mp4").write_bytes(content)
    with pytest.raises(VideoError, match=words):
        read(tmp_path / "v.mp4")


def test_a_song_called_mp4(tmp_path):
    with raises(VideoError, file="v.mp4"):
        read(write_audio_only(tmp_path / "v.mp4"))


@pytest.mark.parametrize(
    "name, options, words",
    [
        ("v.mp4", {}, "is not a video, or is incomplete"),
        ("v.mkv", {}, rf"{CUT}.* Set seconds"),
        ("v.mkv", {"tone_seconds": 2.4}, CUT),
        ("v.webm", {"codec": "libvpx"}, CUT),
    ],
    ids=["mp4", "mkv", "mkv with sound", "webm"],
)
def test_a_video_that_was_cut(tmp_path, name, options, words):
    with pytest.raises(VideoError, match=words):
        read(cut(tmp_path / name, **options))


def test_the_part_that_is_left_of_a_cut_mkv(tmp_path):
    assert len(read(cut(tmp_path / "v.mkv"), seconds=0.4)) == 10


def test_sound_that_outlasts_the_picture(tmp_path):
    path = write_video(tmp_path / "v.mkv", [numbered(k) for k in range(10)], tone_seconds=3.0)
    assert numbers(path) == list(range(10))


def test_a_start_after_the_end(tmp_path):
    path = write_video(tmp_path / "v.mp4", [numbered(k) for k in range(10)])
    with pytest.raises(VideoError, match=r"lasts 0\.40 s, so there is nothing to read from 5 s on"):
        read(path, start=5.0)


def test_two_transport_streams_joined_whose_clock_jumps_back(tmp_path):
    parts = [
        write_video(tmp_path / f"{n}.ts", [numbered(15 * n + k) for k in range(15)]).read_bytes()
        for n in range(2)
    ]
    (tmp_path / "v.ts").write_bytes(b"".join(parts))
    assert numbers(tmp_path / "v.ts") == list(range(30))


@pytest.mark.parametrize("matrix, shown", MATRICES.values(), ids=MATRICES)
def test_a_display_matrix_is_obeyed(tmp_path, matrix, shown):
    (frame,) = read(write_video(tmp_path / "v.mp4", [QUADRANTS], matrix=matrix))
    off = np.abs(frame.astype(int) - shown)
    assert max(off[4:28, 4:28].max(), off[36:60, 36:60].max()) < 12


@pytest.mark.parametrize("aspect, size", [(2, (128, 48)), (Fraction(1, 2), (64, 96))], ids=["wide", "tall"])
def test_pixels_that_are_not_square(tmp_path, aspect, size):
    path = write_video(tmp_path / "v.mp4", [numbered(7)] * 2, pixel_aspect=aspect)
    assert video.probe(path).size == size


def test_a_rate_that_varies(tmp_path):
    path = write_video(tmp_path / "v.mkv", [numbered(3 * k) for k in range(6)], [0, 100, 500, 600, 700, 1000])
    assert [n // 3 for n in numbers(path, fps=10)][:11] == [0, 1, 1, 1, 1, 2, 3, 4, 4, 4, 5]


@pytest.mark.parametrize("act", [lambda path, tick: read(path, start=11.0, tick=tick), lambda path, tick: sound(path, 11.0, 0.5, tick)],
                         ids=["picture", "sound"])  # fmt: skip
def test_cancel_while_a_late_start_is_looked_for(tmp_path, act):
    path = write_video(tmp_path / "v.avi", [numbered(k % 30) for k in range(300)], tone_seconds=12.0)
    ticks = iter(range(4))

    def pressed() -> None:
        if next(ticks, None) is None:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        act(path, pressed)


@pytest.mark.slow
def test_five_thousand_frames(tmp_path):
    path = write_video(tmp_path / "v.mp4", [numbered(k % 30) for k in range(5000)])
    assert numbers(path) == [k % 30 for k in range(5000)]
