"""Opens video files with PyAV: their picture and sound streams, and one error class for invalid files."""

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
    """Return the container of a file. Raises VideoError if it is no video."""
    if isinstance(file, io.BytesIO):
        file = io.BytesIO(
            file.getvalue()
        )  # shares the bytes but has its own position: picture and sound are read in parallel
        empty = file.getbuffer().nbytes == 0
    else:
        if not os.path.isfile(file):
            raise VideoError(f"There is no file {file}. Check the name and the folder.", str(file))
        empty = os.path.getsize(file) == 0
    if empty:
        raise VideoError(f"{name_of(file)} is empty (0 bytes). Copy or export it again.", name_of(file))
    try:
        return av.open(file)
    except FFmpegError as error:
        raise VideoError(
            f"{name_of(file)} is not a video, or is incomplete ({error.strerror}). Copy or export it again.",
            name_of(file),
        ) from None


def picture_stream(container, file: File):
    """Return the first video stream that is not a cover picture.

    Raises VideoError if there is none, or if it cannot be decoded.
    """
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
    """Return the first sound stream that can be decoded, or None."""
    # A stream without a decoder in FFmpeg has no codec context; decoding it would crash the process.
    return next((stream for stream in container.streams.audio if stream.codec_context is not None), None)


def rate_of(stream) -> float:
    """Average frames per second."""
    return float(stream.average_rate or stream.guessed_rate or 25)


def announced_seconds(container, stream) -> float:
    """Stated length of the picture stream in seconds, or 0. For Matroska it
    comes from a tag, or is the length of the file.
    """
    if container.format.name in JOINABLE:
        return 0.0
    if stream.duration:
        return float(stream.duration * stream.time_base)
    if tagged := re.fullmatch(r"(\d+):(\d+):(\d+\.?\d*)", stream.metadata.get("DURATION", "")):
        hours, minutes, seconds = map(float, tagged.groups())
        return 3600 * hours + 60 * minutes + seconds
    return container.duration / av.time_base if container.duration else 0.0


def name_of(file: File) -> str:
    """Name of a file for messages."""
    return "The video in memory" if isinstance(file, io.BytesIO) else os.path.basename(file)


def first_picture(container, file: File) -> float:
    """Display time of the first picture of an opened file, seconds of its clock."""
    stream = picture_stream(container, file)
    return next((frame.time or 0.0 for frame in container.decode(stream)), 0.0)
