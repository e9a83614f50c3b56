"""Videos as a stream of frames at a fixed rate, as a player shows them, with PyAV: memory does not grow with the length."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from math import ceil
from typing import TypeVar

import av
import numpy as np

from .display_transform import shown as as_shown

T = TypeVar("T")
File = str | os.PathLike | io.BytesIO

SLACK = 0.1  # of a frame: timestamps in whole milliseconds must not make a frame late
SHORT_SECONDS, SHORT_SHARE = 0.25, 0.02  # a picture that ends this much before its announced end was cut short
INDEXED = ("mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm")  # formats that know where each time lies in the file
FAR, LEAD = 10.0, 1.0  # what is further away is gone to, so many seconds before it; what is nearer is decoded up to
JOINABLE = ("mpegts",)  # its parts may each have a clock of their own
BACK, AHEAD = 0.1, 10.0  # seconds by which a clock must jump to be another one


class VideoError(ValueError):
    """A file cannot be read as a video; the message says why in one sentence."""


@dataclass(frozen=True)
class Clip:
    """What a video file says of itself.

    fps:      average frames a second
    size:     (width, height) of the picture as it is shown
    seconds:  announced length of the picture, 0 where the file does not say
    audio:    True where there is sound
    """

    fps: float
    size: tuple[int, int]
    seconds: float
    audio: bool


def probe(file: File) -> Clip:
    """Read a file's header and first frame. Raises VideoError."""
    with opened(file) as container:
        stream = _picture_stream(container, file)
        height, width = next(_pictures(container, file, 0.0))[2]().shape[:2]
        return Clip(_rate(stream), (width, height), _announced(container, stream), sound_stream(container) is not None)


def frames(
    file: File, fps: float = 0.0, start: float = 0.0, seconds: float = 0.0, tick: Callable[[], None] = lambda: None
) -> Iterator[np.ndarray]:
    """(H, W, 3) uint8 RGB frames of a path or BytesIO as a player shows them, at `fps` (0: the file's average rate).

    Frame k is what a viewer sees start + k / fps seconds after the first frame (sample and hold): a variable frame rate keeps its
    timing. `seconds` 0 reads to the end. tick() is called for every frame that is decoded, also those before `start`; what it raises
    goes through. Raises VideoError where `start` lies behind the end, and at the end where the file was cut short.
    """
    with opened(file) as container:
        rate = fps or _rate(_picture_stream(container, file))
        count = frame_count(seconds, rate) if seconds else None

        def ticked():
            for timed in _pictures(container, file, start):
                tick()
                yield timed

        for picture in islice(hold(ticked(), rate, start), count):
            yield picture()


def frame_count(seconds: float, rate: float) -> int:
    """Frames that `seconds` last at `rate`."""
    return max(ceil(seconds * rate - SLACK), 1)


def hold(timed: Iterator[tuple[float, float, T]], rate: float, start: float = 0.0) -> Iterator[T]:
    """What is shown start + k / rate seconds after the clip's beginning, from (begin, end, item) in seconds since then.

    Raises VideoError where the clip ends before `start`.
    """
    shown = None
    k, last = 0, 0.0
    for begin, end, item in timed:
        while shown is not None and start + (k + SLACK) / rate < begin:
            yield shown
            k += 1
        shown, last = item, end
    while start + (k + SLACK) / rate < last:
        yield shown
        k += 1
    if k == 0 and start > 0:
        raise VideoError(f"The video lasts {last:.2f} s, so there is nothing to read from {start:g} s on: set an earlier start.")


def _pictures(container, file: File, start: float) -> Iterator[tuple[float, float, Callable[[], np.ndarray]]]:
    """Every frame from before `start` on: when it begins and ends, in seconds after the file's first one, and what it shows.

    A clock that jumps, where files were joined, goes on as if it had not. Raises VideoError where there is no frame, or too few.
    """
    stream = _picture_stream(container, file)
    aspect, usual = float(stream.sample_aspect_ratio or 1), 1 / _rate(stream)
    zero = end = None
    latest = 0.0
    try:
        for frame in _first_then_before(container, stream, start):
            time = frame.time if frame.time is not None else (zero or 0.0) + (end or 0.0)
            zero = time if zero is None else zero
            begin = time - zero
            jumped = begin < latest - max(BACK, 1.5 * usual) or (container.format.name in JOINABLE and begin > latest + AHEAD)
            if jumped:
                zero, begin = time - end, end
            end = begin + (float(frame.duration * frame.time_base) if frame.duration else usual)
            latest = begin
            yield begin, end, lambda frame=frame: as_shown(frame, aspect)
    except av.FFmpegError as error:
        where = "at its start" if end is None else f"after {end:.2f} s"
        raise VideoError(f"{name_of(file)} is damaged {where} ({error.strerror}).") from None
    if end is None:
        raise VideoError(f"{name_of(file)} has a video stream without a single frame.")
    announced = _announced(container, stream)
    if announced - end > max(SHORT_SECONDS, SHORT_SHARE * announced) and not _heard_to(container, announced):
        raise VideoError(
            f"{name_of(file)} was cut short: it announces {announced:.2f} s and ends after {end:.2f} s. "
            "Set seconds to use what is there, or copy the file again."
        )


def _first_then_before(container, stream, start: float) -> Iterator[av.VideoFrame]:
    """The file's first frame, by which its clock is read, then those from before `start` seconds after it on."""
    decoded = container.decode(stream)
    for first in decoded:
        yield first
        break
    else:
        return
    yield from decoded if first.time is None else go_before(container, stream, first.time + start, decoded)


def go_before(container, stream, seconds: float, here: Iterator | None = None) -> Iterator:
    """Frames of a stream from some way before `seconds` of the file's clock on; from `here` on where that is not far or not safe."""
    here = container.decode(stream) if here is None else here
    if container.format.name not in INDEXED or seconds < FAR:
        yield from here
        return
    container.seek(int((seconds - LEAD) / stream.time_base), stream=stream)
    landed = container.decode(stream)
    first = next(landed, None)
    if first is None or first.time is None or first.time > seconds:  # an index that does not keep its word
        container.seek(int(stream.start_time or 0), stream=stream)
        yield from container.decode(stream)
        return
    yield first
    yield from landed


def _heard_to(container, announced: float) -> bool:
    """Whether the sound reaches the announced end of the file: then the picture is shorter, and nothing is missing."""
    stream = sound_stream(container)
    if stream is None:
        return False
    end = 0.0
    container.seek(0)
    for packet in container.demux(stream):
        if packet.pts is not None:
            end = max(end, float((packet.pts + (packet.duration or 0)) * packet.time_base))
    return announced - end <= max(SHORT_SECONDS, SHORT_SHARE * announced)


def first_picture(container, file: File) -> float:
    """When the first picture of an opened file is shown, seconds of its clock."""
    stream = _picture_stream(container, file)
    return next((frame.time or 0.0 for frame in container.decode(stream)), 0.0)


def opened(file: File):
    """The container of a file. Raises VideoError where it is none."""
    if isinstance(file, io.BytesIO):
        file.seek(0)
        empty = file.getbuffer().nbytes == 0
    else:
        if not os.path.isfile(file):
            raise VideoError(f"There is no file {file}.")
        empty = os.path.getsize(file) == 0
    if empty:
        raise VideoError(f"{name_of(file)} is empty (0 bytes).")
    try:
        return av.open(file)
    except av.FFmpegError as error:
        raise VideoError(f"{name_of(file)} is not a video, or was cut short before its index ({error.strerror}).") from None


def _picture_stream(container, file: File):
    """The first moving picture; a cover picture of a song is none."""
    for stream in container.streams.video:
        if not stream.disposition & av.stream.Disposition.attached_pic:
            stream.thread_type = "SLICE"
            return stream
    kinds = ", ".join(sorted({stream.type for stream in container.streams})) or "nothing"
    raise VideoError(f"{name_of(file)} has no picture: it holds {kinds} only.")


def sound_stream(container):
    """The first sound that can be decoded, or None."""
    # A stream that FFmpeg has no decoder for has no codec context; decoding it would crash the process.
    return next((stream for stream in container.streams.audio if stream.codec_context is not None), None)


def _rate(stream) -> float:
    return float(stream.average_rate or stream.guessed_rate or 25)


def _announced(container, stream) -> float:
    """Seconds of picture that the file promises, 0 where it does not. Matroska keeps them in a tag, or for the whole file only."""
    if container.format.name in JOINABLE:
        return 0.0
    if stream.duration:
        return float(stream.duration * stream.time_base)
    if tagged := re.fullmatch(r"(\d+):(\d+):(\d+\.?\d*)", stream.metadata.get("DURATION", "")):
        hours, minutes, seconds = map(float, tagged.groups())
        return 3600 * hours + 60 * minutes + seconds
    return container.duration / av.time_base if container.duration else 0.0


def name_of(file: File) -> str:
    """What to call a file in a sentence."""
    return "The video in memory" if isinstance(file, io.BytesIO) else os.path.basename(file)
