"""Writes small videos with PyAV, usual and unusual, for the tests and for the table of faults."""

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

RATE = 16000  # of the tone


def numbered(k: int, width: int = 64, height: int = 48) -> np.ndarray:
    """Return a frame with grey level 8 k, from which its number can be read even after compression."""
    return np.full((height, width, 3), 8 * k, np.uint8)


def number_of(frame: np.ndarray) -> int:
    return int(round(float(frame.mean()) / 8))


def write_video(
    path: Path,
    frames,
    milliseconds=None,
    fps: int = 25,
    rotation: int = 0,
    tone_seconds: float = 0.0,
    matrix=None,
    pixel_aspect=None,
    codec="mpeg4",
) -> Path:
    """Write frames (H, W, 3) uint8. milliseconds: one timestamp per frame, for a
    variable rate; tone_seconds: length of a 440 Hz tone.

    matrix: display matrix (a, b, c, d): a stored (x, y) is displayed at (ax + cy, bx + dy)
    """
    with av.open(str(path), "w") as container:
        base = Fraction(1, 1000) if milliseconds is not None else Fraction(1, fps)
        stream = container.add_stream(codec, rate=fps)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt, stream.bit_rate = "yuv420p", 4_000_000
        stream.codec_context.time_base = base
        if rotation:
            stream.set_display_rotation(rotation)
        if matrix is not None:
            a, b, c, d = (65536 * n for n in matrix)
            stream.set_display_matrix([a, b, 0, c, d, 0, 0, 0, 1 << 30])
        if pixel_aspect is not None:
            stream.codec_context.sample_aspect_ratio = pixel_aspect
        audio = container.add_stream("aac", rate=RATE, layout="mono") if tone_seconds else None
        for k, pixels in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
            frame.time_base, frame.pts = base, k if milliseconds is None else milliseconds[k]
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if audio:
            write_tone(container, audio, tone_seconds)
    return path


def write_tone(container, stream, seconds: float) -> None:
    wave = (np.sin(np.arange(int(RATE * seconds)) * 2 * np.pi * 440 / RATE) * 0.5).astype(np.float32)[None]
    frame = av.AudioFrame.from_ndarray(wave, format="fltp", layout="mono")
    frame.sample_rate, frame.pts = RATE, 0
    container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def write_audio_only(path: Path) -> Path:
    with av.open(str(path), "w") as container:
        write_tone(container, container.add_stream("aac", rate=RATE, layout="mono"), 1.0)
    return path


def long_film(path: Path, minute: Path, minutes: int) -> Path:
    """Write a one-minute video's picture and sound packets `minutes` times: a film in a few seconds."""
    with av.open(str(path), "w") as film:
        with av.open(str(minute)) as given:
            streams = [film.add_stream_from_template(stream) for stream in given.streams]
        muxed = dict.fromkeys(range(len(streams)), -math.inf)
        for k in range(minutes):
            with av.open(str(minute)) as given:
                for packet in given.demux():
                    if packet.dts is None:
                        continue
                    index, shift = packet.stream.index, round(60 * k / packet.time_base)
                    # Sound starts one packet early, in the previous minute.
                    if packet.dts + shift <= muxed[index]:
                        continue
                    packet.pts += shift
                    packet.dts = muxed[index] = packet.dts + shift
                    packet.stream = streams[index]
                    film.mux(packet)
    return path
