"""Videos as a stream of upright frames at a fixed rate, and their sound, with PyAV: memory does not grow with the length."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from math import ceil
from typing import TypeVar

import av
import numpy as np

T = TypeVar("T")
File = str | os.PathLike | io.BytesIO

SLACK = 0.1  # of a frame: timestamps in whole milliseconds must not make a frame late
SHORT_SECONDS, SHORT_SHARE = 0.25, 0.02  # a picture that ends this much before its announced end was cut short


class VideoError(ValueError):
    """A file cannot be read as a video; the message says why in one sentence."""


@dataclass(frozen=True)
class Clip:
    """What a video file says of itself.

    fps:      average frames a second
    size:     (width, height) of the upright picture
    seconds:  announced length of the picture, 0 where the file does not say
    audio:    True where there is sound
    """

    fps: float
    size: tuple[int, int]
    seconds: float
    audio: bool


def probe(file: File) -> Clip:
    """Read a file's header and first frame. Raises VideoError."""
    with _open(file) as container:
        stream = _video_stream(container, file)
        _, _, first = next(_timed(container, stream, file))
        height, width = _upright(first).shape[:2]
        return Clip(_rate(stream), (width, height), _announced(stream), _audio_stream(container) is not None)


def frames(file: File, fps: float = 0.0, start: float = 0.0, seconds: float = 0.0) -> Iterator[np.ndarray]:
    """Upright (H, W, 3) uint8 RGB frames of a path or BytesIO, at `fps` (0: the file's average rate).

    Frame k is what a viewer sees start + k / fps seconds after the first frame (sample and hold): a variable frame rate keeps its
    timing. `seconds` 0 reads to the end. Raises VideoError, at the end also where the file was cut short.
    """
    with _open(file) as container:
        stream = _video_stream(container, file)
        rate = fps or _rate(stream)
        count = frame_count(seconds, rate) if seconds else None
        for frame in islice(hold(_timed(container, stream, file), rate, start), count):
            yield _upright(frame)


def frame_count(seconds: float, rate: float) -> int:
    """Frames that `seconds` last at `rate`."""
    return max(ceil(seconds * rate - SLACK), 1)


def sound(file: File, start: float = 0.0, seconds: float = 0.0) -> tuple[np.ndarray, int] | None:
    """(C, T) float32 -1..1 and samples a second of the file's sound, from `start` seconds after the first picture; None without sound.

    Silence is put where the sound begins after the picture, and where it ends before `seconds` (0: to its end).
    """
    with _open(file) as container:
        stream = _audio_stream(container)
        if stream is None:
            return None
        begin = start + next(_timed(container, _video_stream(container, file), file))[0]
    with _open(file) as container:
        stream = _audio_stream(container)
        resampler = av.AudioResampler(format="fltp", rate=stream.rate)
        pieces, first = [], None
        for frame in container.decode(stream):
            time = frame.time or 0.0
            if time + frame.samples / frame.sample_rate < begin:  # only what is asked for is kept: a film may be long
                continue
            if seconds and time > begin + seconds:
                break
            first = time if first is None else first
            pieces += [piece.to_ndarray() for piece in resampler.resample(frame)]
        pieces += [piece.to_ndarray() for piece in resampler.resample(None)]
        rate = stream.rate
    if not pieces:
        return None
    waveform = np.concatenate(pieces, 1).astype(np.float32)
    late = round(((first or 0.0) - begin) * rate)
    waveform = np.pad(waveform, ((0, 0), (late, 0))) if late > 0 else waveform[:, -late:]
    if seconds:
        length = round(seconds * rate)
        waveform = np.pad(waveform, ((0, 0), (0, max(length - waveform.shape[1], 0))))[:, :length]
    return waveform, rate


def hold(timed: Iterator[tuple[float, float, T]], rate: float, start: float = 0.0) -> Iterator[T]:
    """What is shown start + k / rate seconds after the first item, from (begin, end, item) in seconds."""
    origin = shown = None
    k, last = 0, 0.0
    for begin, end, frame in timed:
        origin = begin + start if origin is None else origin
        while shown is not None and origin + (k + SLACK) / rate < begin:
            yield shown
            k += 1
        shown, last = frame, end
    while origin + (k + SLACK) / rate < last:
        yield shown
        k += 1


def _timed(container, stream, file: File) -> Iterator[tuple[float, float, av.VideoFrame]]:
    """Every decoded frame with the seconds at which it begins and ends. Raises VideoError where there is none, or too few."""
    origin = end = None
    try:
        for frame in container.decode(stream):
            begin = frame.time if frame.time is not None else end or 0.0
            origin = begin if origin is None else origin
            duration = getattr(frame, "duration", None)
            end = begin + (float(duration * frame.time_base) if duration else 1 / _rate(stream))
            yield begin, end, frame
    except av.FFmpegError as error:
        where = "at its start" if end is None else f"after {end - origin:.2f} s"
        raise VideoError(f"{_name(file)} is damaged {where} ({error.strerror}).") from None
    if origin is None:
        raise VideoError(f"{_name(file)} has a video stream without a single frame.")
    announced = _announced(stream)
    if announced - (end - origin) > max(SHORT_SECONDS, SHORT_SHARE * announced):
        raise VideoError(f"{_name(file)} was cut short: it announces {announced:.2f} s and ends after {end - origin:.2f} s.")


def _upright(frame: av.VideoFrame) -> np.ndarray:
    picture = frame.to_ndarray(format="rgb24")
    turns = int(getattr(frame, "rotation", 0)) // 90 % 4  # a phone's display matrix, which PyAV reports and does not apply
    return np.ascontiguousarray(np.rot90(picture, turns))


def _open(file: File):
    if isinstance(file, io.BytesIO):
        file.seek(0)
        empty = file.getbuffer().nbytes == 0
    else:
        if not os.path.isfile(file):
            raise VideoError(f"There is no file {file}.")
        empty = os.path.getsize(file) == 0
    if empty:
        raise VideoError(f"{_name(file)} is empty (0 bytes).")
    try:
        return av.open(file)
    except av.FFmpegError as error:
        raise VideoError(f"{_name(file)} is not a video, or was cut short before its index ({error.strerror}).") from None


def _video_stream(container, file: File):
    """The first moving picture; a cover picture of a song is none."""
    for stream in container.streams.video:
        if not stream.disposition & av.stream.Disposition.attached_pic:
            stream.thread_type = "SLICE"
            return stream
    kinds = ", ".join(sorted({stream.type for stream in container.streams})) or "nothing"
    raise VideoError(f"{_name(file)} has no picture: it holds {kinds} only.")


def _audio_stream(container):
    # A stream that FFmpeg has no decoder for has no codec context; decoding it would crash the process.
    return next((stream for stream in container.streams.audio if stream.codec_context is not None), None)


def _rate(stream) -> float:
    return float(stream.average_rate or stream.guessed_rate or 25)


def _announced(stream) -> float:
    return float(stream.duration * stream.time_base) if stream.duration else 0.0


def _name(file: File) -> str:
    return "The video in memory" if isinstance(file, io.BytesIO) else os.path.basename(file)
