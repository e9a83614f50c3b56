"""Writes a video file frame by frame, with its sound. Memory does not grow with the length."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction

import av
import numpy as np
from av.error import FFmpegError

from ..errors import EmptyClipError
from .atomic_write import FileError, whole
from .film_frame import CodedFrame, RgbFrame
from .soundtrack import Soundtrack, of_waveform

CODEC = "libx264"
# Name -> x264's options. "high" quantises by less than one level, and rounds instead of saving bits.
FINE = "deadzone-inter=0:deadzone-intra=0:trellis=0:psy=0:aq-mode=0:ipratio=1:pbratio=1:chroma-qp-offset=0"
QUALITIES = {
    "standard": {"crf": "18"},
    "high": {"qp": "1", "x264-params": FINE},
    "lossless": {"qp": "0"},
}
STANDARD, LOSSLESS = "standard", "lossless"
SLOWEST = Fraction(1, 1000)  # frames per second


def write(
    path: str,
    frames: Iterable[np.ndarray | CodedFrame | RgbFrame],
    fps: float,
    sound: tuple[np.ndarray, int] | Soundtrack | None = None,
    quality: str = STANDARD,
) -> None:
    """Save frames as H.264 in an .mp4: (H, W, 3) uint8 RGB as
    BT.709, frames of a film in their colour coding.

    sound:   (C, T) float32 -1..1 and samples per second, or a soundtrack; None = no sound
    quality: a key of QUALITIES. Chroma is halved, except for odd sizes; "lossless" keeps that of the frames

    Raises EmptyClipError if there is no frame, FileError if the encoder rejects the video or the file cannot
    be written; no partial file is left then.
    """
    if isinstance(sound, tuple):
        waveform, samples_per_second = sound
        sound = of_waveform(waveform, samples_per_second)
    try:
        _write(path, frames, max(Fraction(fps).limit_denominator(1000), SLOWEST), sound, quality)
    except FFmpegError as error:
        raise FileError(
            f"{path} could not be made at {fps:g} frames per second: {error.strerror}. "
            "Nothing was left there.",
            path,
        ) from None


def _write(path: str, frames: Iterable, rate: Fraction, sound: Soundtrack | None, quality: str) -> None:
    with whole(path) as beside, av.open(beside, "w", format="mp4") as container:
        video, packets = None, iter(())
        for count, frame in enumerate(frames):
            coded = (RgbFrame(frame) if isinstance(frame, np.ndarray) else frame).stored(
                halved=quality != LOSSLESS
            )
            if video is None:
                video = _stream(container, coded, rate, QUALITIES[quality])
                packets = iter(()) if sound is None else sound(container)
            container.mux(video.encode(_encodable(coded, count, rate)))
            _mux_before(container, packets, (count + 1) / rate)
        if video is None:
            raise EmptyClipError("frame to write")
        container.mux(video.encode())
        for packet in packets:
            container.mux(packet)


def _stream(container, first: CodedFrame, rate: Fraction, options: dict[str, str]):
    stream = container.add_stream(CODEC, rate=rate, options={**options, **first.colour.tags()})
    stream.height, stream.width = first.planes[0].shape
    stream.pix_fmt = first.format
    return stream


def _mux_before(container, packets: Iterator[av.Packet], seconds: Fraction) -> None:
    """Write the sound up to a time of the picture, so that a player finds both close together in the file."""
    for packet in packets:
        container.mux(packet)
        if packet.pts is not None and packet.pts * packet.time_base >= seconds:
            return


def _encodable(coded: CodedFrame, count: int, rate: Fraction) -> av.VideoFrame:
    """Return the planes as a frame of PyAV."""
    height, width = coded.planes[0].shape
    frame = av.VideoFrame(width, height, coded.format)
    frame.pts, frame.time_base = count, 1 / rate
    frame.colorspace, frame.color_range = coded.colour.matrix, 2 if coded.colour.full else 1
    for plane, values in zip(frame.planes, coded.planes):
        np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)[
            : plane.height, : plane.width
        ] = values
    return frame
