"""Videos as a stream of frames at a fixed rate, as a player shows them, with PyAV: memory does not grow with the length."""

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
Timed = Iterator[
    tuple[float, float, Callable[[], Picture]]
]  # begin and end in seconds after the first frame, and the frame

SLACK = 0.1  # of a frame: timestamps in whole milliseconds must not make a frame late
SHORT_SECONDS, SHORT_SHARE = (
    0.25,
    0.02,
)  # a picture that ends this much before its announced end was cut short
INDEXED = ("mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm")  # formats that know where each time lies in the file
FAR, LEAD = (
    10.0,
    1.0,
)  # what is further away is gone to, so many seconds before it; what is nearer is decoded up to
BACK, AHEAD = 0.1, 10.0  # seconds by which a clock must jump to be another one


@dataclass(frozen=True)
class Clip:
    """What a video file says of itself.

    fps:      average frames per second
    size:     (width, height) of the picture as it is shown
    seconds:  announced length of the picture, 0 where the file does not say
    audio:    True where there is sound
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
    """(H, W, 3) uint8 RGB frames of a path or BytesIO; HDR is tone-mapped. See `pictures`."""
    for picture in pictures(file, fps, start, seconds, tick):
        yield picture.rgb()


def pictures(
    file: File,
    fps: float = 0.0,
    start: float = 0.0,
    seconds: float = 0.0,
    tick: Callable[[], None] = lambda: None,
) -> Iterator[Picture]:
    """Frames of a path or BytesIO as a player shows them, at `fps` (0: the file's average rate), in the file's colour coding.

    Frame k is what a viewer sees start + k / fps seconds after the first frame (sample and hold): a variable frame rate keeps its
    timing. `seconds` 0 reads to the end. tick() is called for every frame that is decoded, also those before `start`; what it raises
    goes through. Raises VideoError where `start` lies behind the end, and at the end where the file was cut short.
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
    """Frames that `seconds` last at `rate`."""
    return max(ceil(seconds * rate - SLACK), 1)


def hold(timed: Iterator[tuple[float, float, T]], rate: float, start: float = 0.0) -> Iterator[T]:
    """What is shown start + k / rate seconds after the clip's beginning, from (begin, end, item) in seconds since then.

    Raises VideoError where the clip ends before `start`.
    """
    shown: list[T] = []  # the item that stands there now, once there is one
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
    """Every frame from before `start` on: when it begins and ends, in seconds after the file's first one, and what it shows.

    A clock that jumps, where files were joined, goes on as if it had not. Raises VideoError where there is no frame, or too few.
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
    """The file's first frame, by which its clock is read, then those from before `start` seconds after it on."""
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
    """Frames of a stream from some way before `seconds` of the file's clock on; from `here` on where that is not far or not safe.

    decode(container, stream): gives the frames from where the file stands
    """
    decode = decode or type(container).decode
    here = decode(container, stream) if here is None else here
    if container.format.name not in INDEXED or seconds < FAR:
        yield from here
        return
    container.seek(int((seconds - LEAD) / stream.time_base), stream=stream)
    landed = decode(container, stream)
    first = next(landed, None)
    if first is None or first.time is None or first.time > seconds:  # an index that does not keep its word
        container.seek(int(stream.start_time or 0), stream=stream)
        yield from decode(container, stream)
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
