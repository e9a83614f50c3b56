"""Reads videos with PyAV as a stream of frames at a fixed rate, as a player shows them.

Memory does not grow with the length.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from math import ceil
from typing import TypeVar

import av
import numpy as np
from av.error import FFmpegError, PatchWelcomeError

from . import animation
from .display_transform import shown as as_shown
from .film_frame import CodedFrame, RgbFrame
from .video_source import (
    JOINABLE,
    File,
    VideoError,
    announced_seconds,
    name_of,
    opened,
    picture_stream,
    rate_of,
    sound_stream,
)

T = TypeVar("T")
Picture = CodedFrame | RgbFrame
# (start, end) in seconds after the first frame, and a function that returns the frame.
Timed = Iterator[tuple[float, float, Callable[[], Picture]]]

# Fraction of a frame by which a frame may be late, because timestamps in whole milliseconds are rounded.
SLACK = 0.1
# A picture stream that ends by this much before its stated end was truncated.
SHORT_SECONDS, SHORT_SHARE = (
    0.25,
    0.02,
)
INDEXED = ("mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm")  # formats with an index from time to file position
# Seconds: a time further away than FAR is sought, LEAD before it; nearer ones are reached by decoding.
FAR, LEAD = (
    10.0,
    1.0,
)
BACK, AHEAD = 0.1, 10.0  # jumps of a clock back or ahead, in seconds, from which it counts as another clock


@dataclass(frozen=True)
class Clip:
    """Properties of a video file.

    fps:      average frames per second
    size:     (width, height) of the picture as displayed
    seconds:  stated length of the picture stream, 0 if the file does not state it
    audio:    whether there is sound
    hdr:      "HLG" or "PQ", None for SDR
    """

    fps: float
    size: tuple[int, int]
    seconds: float
    audio: bool
    hdr: str | None = None


def probe(file: File) -> Clip:
    """Read a file's header and first frame. Raises VideoError."""
    if animated := animation.read(file):
        return Clip(animated.fps, animated.size, animated.seconds, False)
    with opened(file) as container:
        stream = picture_stream(container, file)
        first = next(_pictures(container, file, 0.0))[2]()
        height, width = first.rgb().shape[:2]
        sound, hdr = sound_stream(container), first.colour.hdr if isinstance(first, CodedFrame) else None
        return Clip(
            rate_of(stream), (width, height), announced_seconds(container, stream), sound is not None, hdr
        )


def frames(
    file: File,
    fps: float = 0.0,
    start: float = 0.0,
    seconds: float = 0.0,
    tick: Callable[[], None] = lambda: None,
) -> Iterator[np.ndarray]:
    """Yield (H, W, 3) uint8 RGB frames of a path or BytesIO; HDR is tone-mapped. See `pictures`."""
    for picture in pictures(file, fps, start, seconds, tick):
        yield picture.rgb()


def pictures(
    file: File,
    fps: float = 0.0,
    start: float = 0.0,
    seconds: float = 0.0,
    tick: Callable[[], None] = lambda: None,
) -> Iterator[Picture]:
    """Yield frames of a path or BytesIO as displayed by a player, at `fps` (0: the file's average rate), in
    the file's colour coding.

    Frame k is the picture shown start + k / fps seconds after the first frame (sample and hold), so a
    variable frame rate keeps its timing. seconds: 0 = to the end. tick() is called for every decoded frame,
    including those before `start`; exceptions that it raises are propagated. Raises VideoError if `start` is
    beyond the end, and at the end of a truncated file.
    """
    if animated := animation.read(file):
        yield from _sampled(animated.timed(), fps or animated.fps, start, seconds, tick)
        return
    with opened(file) as container:
        rate = fps or rate_of(picture_stream(container, file))
        yield from _sampled(_pictures(container, file, start), rate, start, seconds, tick)


def _sampled(
    timed: Timed, rate: float, start: float, seconds: float, tick: Callable[[], None]
) -> Iterator[Picture]:
    def ticked() -> Timed:
        for one in timed:
            tick()
            yield one

    count = frame_count(seconds, rate) if seconds else None
    for picture in islice(hold(ticked(), rate, start), count):
        yield picture()


def frame_count(seconds: float, rate: float) -> int:
    """Number of frames in `seconds` at `rate`."""
    return max(ceil(seconds * rate - SLACK), 1)


def hold(timed: Iterator[tuple[float, float, T]], rate: float, start: float = 0.0) -> Iterator[T]:
    """Yield the item shown start + k / rate seconds after the clip's
    beginning, from (begin, end, item) in seconds.

    Raises VideoError if the clip ends before `start`.
    """
    shown: list[T] = []  # the item that is currently shown; empty before the first one
    k, last = 0, 0.0
    for begin, end, item in timed:
        while shown and start + (k + SLACK) / rate < begin:
            yield shown[0]
            k += 1
        shown, last = [item], end
    while start + (k + SLACK) / rate < last:
        yield shown[0]
        k += 1
    if k == 0 and start > 0:
        raise VideoError(
            f"The video lasts {last:.2f} s, so there is nothing to read from {start:g} s on: set an earlier start."
        )


def _pictures(container, file: File, start: float) -> Timed:
    """Yield every frame from some time before `start` on: its (begin, end) in seconds
    after the file's first frame, and its picture.

    Jumps of the clock, where files were joined, are removed.
    Raises VideoError if there is no frame, or too few.
    """
    stream = picture_stream(container, file)
    aspect, usual = float(stream.sample_aspect_ratio or 1), 1 / rate_of(stream)
    zero: float | None = None
    end, latest = 0.0, 0.0
    try:
        for frame in _first_then_before(container, stream, start):
            time = frame.time if frame.time is not None else (zero or 0.0) + end
            zero = time if zero is None else zero
            begin = time - zero
            jumped = begin < latest - max(BACK, 1.5 * usual) or (
                container.format.name in JOINABLE and begin > latest + AHEAD
            )
            if jumped:
                zero, begin = time - end, end
            duration = getattr(frame, "duration", None)  # PyAV 14 has none
            end = begin + (float(duration * frame.time_base) if duration else usual)
            latest = begin
            yield begin, end, lambda frame=frame: as_shown(frame, aspect, stream.codec_context)
    except PatchWelcomeError:
        raise VideoError(
            f"{name_of(file)} is in a form of {stream.name} that FFmpeg cannot decode: convert it to H.264.",
            name_of(file),
        ) from None
    except FFmpegError as error:
        where = "at its start" if zero is None else f"after {end:.2f} s"
        raise VideoError(f"{name_of(file)} is damaged {where} ({error.strerror}).", name_of(file)) from None
    if zero is None:
        raise VideoError(f"{name_of(file)} has a video stream without a single frame.", name_of(file))
    announced = announced_seconds(container, stream)
    if announced - end > max(SHORT_SECONDS, SHORT_SHARE * announced) and not _heard_to(container, announced):
        raise VideoError(
            f"{name_of(file)} was cut short: it announces {announced:.2f} s and ends after {end:.2f} s. "
            "Set seconds to use what is there, or copy the file again.",
            name_of(file),
        )


def _first_then_before(container, stream, start: float) -> Iterator[av.VideoFrame]:
    """Yield the file's first frame, which defines its clock, then those from
    some time before `start` seconds after it on.
    """
    decoded = container.decode(stream)
    for first in decoded:
        yield first
        break
    else:
        return
    yield from decoded if first.time is None else go_before(container, stream, first.time + start, decoded)


def go_before(
    container, stream, seconds: float, here: Iterator | None = None, decode: Callable | None = None
) -> Iterator:
    """Yield frames of a stream from some time before `seconds` of the file's clock on; from `here` on if that
    is not far or not reliable.

    decode(container, stream): yields the frames from the file's current position
    """
    decode = decode or type(container).decode
    here = decode(container, stream) if here is None else here
    if container.format.name not in INDEXED or seconds < FAR:
        yield from here
        return
    container.seek(int((seconds - LEAD) / stream.time_base), stream=stream)
    landed = decode(container, stream)
    first = next(landed, None)
    if first is None or first.time is None or first.time > seconds:  # an index with wrong positions
        container.seek(int(stream.start_time or 0), stream=stream)
        yield from decode(container, stream)
        return
    yield first
    yield from landed


def _heard_to(container, announced: float) -> bool:
    """Whether the sound reaches the stated end of the file: then the
    picture stream is shorter, and nothing is missing.
    """
    stream = sound_stream(container)
    if stream is None:
        return False
    end = 0.0
    container.seek(0)
    for packet in container.demux(stream):
        if packet.pts is not None:
            end = max(end, float((packet.pts + (packet.duration or 0)) * packet.time_base))
    return announced - end <= max(SHORT_SECONDS, SHORT_SHARE * announced)
