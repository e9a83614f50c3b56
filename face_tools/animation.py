"""Reads animated pictures (GIF, APNG, WebP) as timed frames with
Pillow, because FFmpeg cannot decode animated WebP.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from .film_frame import RgbFrame
from .video_source import File, VideoError, name_of

FORMATS = {  # name -> (position of the signature, signature, bytes that only an animated file contains)
    "GIF": (0, b"GIF8", b""),
    "APNG": (0, b"\x89PNG\r\n\x1a\n", b"acTL"),
    "WebP": (8, b"WEBP", b"ANIM"),
}
HEAD = 1 << 16  # bytes of the file in which these are searched
SHORTEST, USUAL = 0.010, 0.100  # seconds: browsers show a frame of at most SHORTEST for USUAL


@dataclass(frozen=True)
class Animation:
    """An animated picture. size: (width, height); delays: seconds for which each frame is shown."""

    file: File
    size: tuple[int, int]
    delays: tuple[float, ...]

    @property
    def seconds(self) -> float:
        return sum(self.delays)

    @property
    def fps(self) -> float:
        """Average frames per second."""
        return len(self.delays) / self.seconds

    def timed(self) -> Iterator[tuple[float, float, Callable[[], RgbFrame]]]:
        """Yield (start, end) of each frame in seconds and a function that returns it.

        Raises VideoError for a damaged file.
        """
        begin = 0.0
        for picture, delay in zip(_frames(self.file), self.delays):
            pixels = np.asarray(picture.convert("RGB"))
            yield begin, begin + delay, lambda pixels=pixels: RgbFrame(pixels)
            begin += delay


def read(file: File) -> Animation | None:
    """Open an animated GIF, APNG or WebP; None for any other file, and for a GIF
    or APNG without Pillow, which FFmpeg reads too.

    Raises VideoError for a damaged file, and for a WebP without Pillow.
    """
    name = format_of(file)
    if name is None:
        return None
    try:
        import PIL  # noqa: F401
    except ImportError:
        if name == "WebP":
            raise VideoError(
                f"{name_of(file)} is an animated WebP, which only Pillow reads: pip install Pillow.",
                name_of(file),
            ) from None
        return None
    size, delays = (0, 0), []
    for picture in _frames(file):
        seconds = float(picture.info.get("duration") or 0) / 1000
        delays.append(seconds if seconds > SHORTEST else USUAL)
        size = picture.size
    return Animation(file, size, tuple(delays))


def format_of(file: File) -> str | None:
    """Return the format of an animated picture from the first bytes of its file; None for any other file."""
    if isinstance(file, io.BytesIO):
        head = bytes(file.getbuffer()[:HEAD])
    else:
        try:
            with open(file, "rb") as opened:
                head = opened.read(HEAD)
        except OSError:
            return None
    for name, (at, mark, animated) in FORMATS.items():
        if head[at : at + len(mark)] == mark and animated in head:
            return name
    return None


def _frames(file: File) -> Iterator:
    """Yield the frames as Pillow images. Raises VideoError for a damaged file."""
    from PIL import Image

    count = 0
    try:
        with Image.open(io.BytesIO(file.getvalue()) if isinstance(file, io.BytesIO) else file) as picture:
            for count in range(getattr(picture, "n_frames", 1)):
                picture.seek(count)
                picture.load()
                yield picture
    except (OSError, EOFError, ValueError, SyntaxError) as error:
        raise VideoError(
            f"{name_of(file)} ({format_of(file)}) is damaged after {count} frames ({error}).", name_of(file)
        ) from None
