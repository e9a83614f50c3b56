"""Opening video files with PyAV: the picture and the sound in them, and one error for what is no video."""

from __future__ import annotations

import io
import os
import re
from dataclasses import dataclass

import av
from av.error import FFmpegError
from av.stream import Disposition

from ..errors import SKPortraitError

File = str | os.PathLike | io.BytesIO
JOINABLE = ("mpegts",)  # formats whose parts may each have a clock of their own


@dataclass(eq=False)
class VideoError(SKPortraitError, ValueError):
    """A file cannot be read as a video. file: its name."""

    file: str = ""


def opened(file: File):
    """The container of a file. Raises VideoError where it is none."""
    if isinstance(file, io.BytesIO):
        file = io.BytesIO(
            file.getvalue()
        )  # shares the bytes, with a position of its own: picture and sound are read side by side
        empty = file.getbuffer().nbytes == 0
    else:
        if not os.path.isfile(file):
            raise VideoError(f"There is no file {file}.", str(file))
        empty = os.path.getsize(file) == 0
    if empty:
        raise VideoError(f"{name_of(file)} is empty (0 bytes).", name_of(file))
    try:
        return av.open(file)
    except FFmpegError as error:
        raise VideoError(
            f"{name_of(file)} is not a video, or was cut short before its index ({error.strerror}).",
            name_of(file),
        ) from None


def picture_stream(container, file: File):
    """The first moving picture; a cover picture of a song is none."""
    for stream in container.streams.video:
        if stream.disposition & Disposition.attached_pic:
            continue
        if stream.codec_context is None:
            raise VideoError(
                f"{name_of(file)} has a picture that FFmpeg cannot decode: convert it to H.264.",
                name_of(file),
            )
        stream.thread_type = "SLICE"
        return stream
    kinds = ", ".join(sorted({stream.type for stream in container.streams})) or "nothing"
    raise VideoError(f"{name_of(file)} has no picture: it holds {kinds} only.", name_of(file))


def sound_stream(container):
    """The first sound that can be decoded, or None."""
    # A stream that FFmpeg has no decoder for has no codec context; decoding it would crash the process.
    return next((stream for stream in container.streams.audio if stream.codec_context is not None), None)


def rate_of(stream) -> float:
    """Average frames per second."""
    return float(stream.average_rate or stream.guessed_rate or 25)


def announced_seconds(container, stream) -> float:
    """Seconds of picture that the file announces, or 0. Matroska has a tag, or the length of the file."""
    if container.format.name in JOINABLE:
        return 0.0
    if stream.duration:
        return float(stream.duration * stream.time_base)
    if tagged := re.fullmatch(r"(\d+):(\d+):(\d+\.?\d*)", stream.metadata.get("DURATION", "")):
        hours, minutes, seconds = map(float, tagged.groups())
        return 3600 * hours + 60 * minutes + seconds
    return container.duration / av.time_base if container.duration else 0.0


def name_of(file: File) -> str:
    """Name of a file in a message."""
    return "The video in memory" if isinstance(file, io.BytesIO) else os.path.basename(file)


def first_picture(container, file: File) -> float:
    """When the first picture of an opened file is shown, seconds of its clock."""
    stream = picture_stream(container, file)
    return next((frame.time or 0.0 for frame in container.decode(stream)), 0.0)
