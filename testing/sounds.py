"""Films with any sound: one tone per channel, so that channels can be distinguished."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from .videos import numbered

BLOCK = 1024  # samples


def tones(layout: str, rate: int, seconds: float) -> np.ndarray:
    """(C, T) float32: channel k is a tone of 60 + 10 k Hz, which LFE can reproduce, at its own loudness."""
    time = np.arange(round(rate * seconds)) / rate
    channels = range(av.AudioLayout(layout).nb_channels)
    return np.stack([(0.1 + 0.05 * k) * np.sin(2 * np.pi * (60 + 10 * k) * time) for k in channels]).astype(
        np.float32
    )


def film_with_sound(
    path: Path,
    codec: str,
    waveform: np.ndarray,
    layout: str,
    rate: int,
    form: str = "",
    frames: int = 25,
    pictures: list[np.ndarray] | None = None,
) -> Path:
    """Write a film at 25 frames per second, numbered grey frames by default.

    form: sample format, "" = the codec's first.
    """
    pictures = pictures or [numbered(k % 30) for k in range(frames)]
    with av.open(str(path), "w") as container:
        video = container.add_stream("mpeg4", rate=25)
        video.height, video.width = pictures[0].shape[:2]
        video.pix_fmt, video.bit_rate = "yuv420p", 4_000_000
        options = {"strict": "experimental"} if codec in ("opus", "flac", "truehd") else {}
        audio = container.add_stream(codec, rate=rate, layout=layout, options=options)
        if form:
            audio.codec_context.format = form
        for picture in pictures:
            container.mux(
                video.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24"))
            )
        container.mux(video.encode(None))
        for start in range(0, waveform.shape[1], BLOCK):
            interleaved = np.ascontiguousarray(waveform[:, start : start + BLOCK].T, np.float32).reshape(
                1, -1
            )
            frame = av.AudioFrame.from_ndarray(interleaved, "flt", layout)
            frame.sample_rate, frame.pts, frame.time_base = rate, start, Fraction(1, rate)
            container.mux(audio.encode(frame))
        container.mux(audio.encode(None))
    return path


def packets_of(path: Path) -> tuple[str, list[bytes]]:
    """Return codec and packets of a file's sound."""
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        return stream.codec_context.name, [bytes(packet) for packet in container.demux(stream) if packet.size]
