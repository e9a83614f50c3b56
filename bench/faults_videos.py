"""Faults of videos: files that are none, files that are cut, odd turns, odd clocks, long films."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np

from ..face_tools import video
from ..face_tools.sound import sound
from ..testing.videos import number_of, numbered, write_audio_only, write_video
from .fault import Lost, Table, keep

TABLE = Table()
QUADRANTS = np.kron(np.array([[40, 90], [140, 200]]), np.ones((32, 32)))[..., None].repeat(3, -1).astype(np.uint8)
MATRICES = {  # a b c d of the file's display matrix -> what a player shows of the quadrants
    "mirrored": ((-1, 0, 0, 1), QUADRANTS[:, ::-1]),
    "flipped upside down": ((1, 0, 0, -1), QUADRANTS[::-1]),
    "turned by 180 degrees": ((-1, 0, 0, -1), QUADRANTS[::-1, ::-1]),
    "turned and mirrored": ((0, 1, 1, 0), QUADRANTS.swapaxes(0, 1)),
    "turned by 90 degrees": ((0, 1, -1, 0), np.rot90(QUADRANTS, -1)),
}


def read(path: Path, **part) -> list[np.ndarray]:
    return list(video.frames(path, **part))


def numbers(path: Path, **part) -> list[int]:
    return [number_of(frame) for frame in read(path, **part)]


def noisy(path: Path, count: int = 60, **options) -> Path:
    """A video whose bytes are spread over its length."""
    return write_video(path, [np.random.default_rng(k).integers(0, 255, (48, 64, 3), np.uint8) for k in range(count)], **options)


def cut(path: Path, share: float = 0.5) -> Path:
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    return path


@TABLE.fault("a video of 0 bytes", r"is empty \(0 bytes\)")
def empty(folder: Path) -> None:
    (folder / "v.mp4").touch()
    read(folder / "v.mp4")


@TABLE.fault("a web page called .mp4", "is not a video")
def web_page(folder: Path) -> None:
    (folder / "v.mp4").write_text("<html>404</html>" * 100)
    read(folder / "v.mp4")


@TABLE.fault("a song called .mp4", "has no picture: it holds audio only")
def song(folder: Path) -> None:
    read(write_audio_only(folder / "v.mp4"))


@TABLE.fault("an mp4 that was cut before its index", "is not a video, or was cut short")
def cut_mp4(folder: Path) -> None:
    read(cut(noisy(folder / "v.mp4")))


@TABLE.fault("an mkv that was cut in the middle", r"was cut short: it announces 2\.40 s .* Set seconds")
def cut_mkv(folder: Path) -> None:
    read(cut(noisy(folder / "v.mkv")))


@TABLE.fault("an mkv with sound that was cut in the middle", r"was cut short: it announces 2\.40 s")
def cut_mkv_with_sound(folder: Path) -> None:
    read(cut(noisy(folder / "v.mkv", tone_seconds=2.4)))


@TABLE.fault("a webm that was cut in the middle", r"was cut short: it announces 2\.40 s")
def cut_webm(folder: Path) -> None:
    read(cut(noisy(folder / "v.webm", codec="libvpx")))


@TABLE.fault("the part that is left of a cut mkv")
def rest_of_cut_mkv(folder: Path) -> None:
    keep(len(read(cut(noisy(folder / "v.mkv")), seconds=0.4)) == 10, "frames that are in the file")


@TABLE.fault("sound that outlasts the picture")
def long_sound(folder: Path) -> None:
    path = write_video(folder / "v.mkv", [numbered(k) for k in range(10)], tone_seconds=3.0)
    keep(numbers(path) == list(range(10)), "frames")


@TABLE.fault("a start behind the end", r"lasts 0\.40 s, so there is nothing to read from 5 s on")
def late_start(folder: Path) -> None:
    read(write_video(folder / "v.mp4", [numbered(k) for k in range(10)]), start=5.0)


@TABLE.fault("two transport streams joined: the clock jumps back")
def joined(folder: Path) -> None:
    parts = [write_video(folder / f"{n}.ts", [numbered(15 * n + k) for k in range(15)]).read_bytes() for n in range(2)]
    (folder / "v.ts").write_bytes(b"".join(parts))
    seen = numbers(folder / "v.ts")
    keep(seen == list(range(30)), f"{30 - len(seen)} of 30 frames, or their order")


def displayed(name: str):
    def attack(folder: Path) -> None:
        matrix, shown = MATRICES[name]
        (frame,) = read(write_video(folder / "v.mp4", [QUADRANTS], matrix=matrix))
        off = np.abs(frame.astype(int) - shown)
        keep(max(off[4:28, 4:28].max(), off[36:60, 36:60].max()) < 12, "the way up that a player shows")

    return attack


for name in MATRICES:
    TABLE.fault(f"a video that its file says is {name}")(displayed(name))


@TABLE.fault("pixels that are not square")
def wide_pixels(folder: Path) -> None:
    for aspect, size in ((2, (128, 48)), (Fraction(1, 2), (64, 96))):
        path = write_video(folder / "v.mp4", [numbered(7)] * 2, pixel_aspect=aspect)
        keep(video.probe(path).size == size, f"the shape of faces: pixels {aspect} wide")


@TABLE.fault("a rate that varies")
def variable(folder: Path) -> None:
    path = write_video(folder / "v.mkv", [numbered(3 * k) for k in range(6)], [0, 100, 500, 600, 700, 1000])
    keep([n // 3 for n in numbers(path, fps=10)][:11] == [0, 1, 1, 1, 1, 2, 3, 4, 4, 4, 5], "the timing")


@TABLE.fault("Cancel while picture and sound are skipped to a late start")
def cancel(folder: Path) -> None:
    path = write_video(folder / "v.avi", [numbered(k % 30) for k in range(300)], tone_seconds=12.0)
    seen = []

    def pressed() -> None:
        seen.append(1)
        if len(seen) > 3:
            raise InterruptedError

    for act in (lambda: read(path, start=11.0, tick=pressed), lambda: sound(path, 11.0, 0.5, pressed)):
        seen.clear()
        try:
            act()
        except InterruptedError:
            continue
        raise Lost("the Cancel")


@TABLE.fault("five thousand frames", long=True)
def many(folder: Path) -> None:
    path = write_video(folder / "v.mp4", [numbered(k % 30) for k in range(5000)])
    keep(numbers(path) == [k % 30 for k in range(5000)], "frames")
