"""Latents into a video file, in order: workers decode, the driver writes what has come."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from torch import Tensor

from .worker_pool import Crew, Request

BATCH = 16  # frames a request


def write(path: Path, crew: Crew, latents: Tensor, decoder: list, audio: dict | None, fps: float, progress: Callable[[int], Any]) -> Path:
    """Decode (n, 4, h, w) by the VAE at `decoder` on all workers and write `path`. Pictures that come early wait in memory.

    audio: AUDIO or None. Raises OSError where the disk is full.
    """
    batches = [latents[i : i + BATCH].clone() for i in range(0, len(latents), BATCH)]
    early: dict[int, np.ndarray] = {}
    written = 0
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=Fraction(fps).limit_denominator(1000))
        stream.pix_fmt = "yuv420p"
        sound = file.add_stream("aac", rate=audio["sample_rate"]) if audio else None
        for number, pictures in crew.answers([Request("decode", (batch, decoder), ("decode", i)) for i, batch in enumerate(batches)]):
            early[number] = pictures.numpy()
            while written in early:
                pictures = early.pop(written)
                _add(file, stream, pictures)
                progress(len(pictures))
                written += 1
        for packet in stream.encode():
            file.mux(packet)
        if sound:
            _add_sound(file, sound, audio)
    return path


def _add(file, stream, pictures: np.ndarray) -> None:
    """pictures (F, H, W, 3) uint8."""
    if not stream.codec_context.is_open:
        stream.width, stream.height = pictures.shape[2], pictures.shape[1]
    for picture in pictures:
        for packet in stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")):
            file.mux(packet)


def _add_sound(file, stream, audio: dict[str, Any]) -> None:
    wave = audio["waveform"][0].cpu().numpy().astype(np.float32)
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(wave), format="fltp", layout="stereo" if len(wave) == 2 else "mono")
    frame.sample_rate = audio["sample_rate"]
    for packet in (*stream.encode(frame), *stream.encode()):
        file.mux(packet)
