"""Writes a video file frame by frame, with its sound: memory does not grow with the length."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

import av
import numpy as np

from .atomic_write import whole

CODEC, QUALITY, AUDIO = "libx264", "18", "aac"  # QUALITY: x264's constant rate factor, visually lossless
BLOCK = 1024  # samples an AAC frame takes
SLOWEST = Fraction(1, 1000)  # frames a second


def write(path: str, frames: Iterable[np.ndarray], fps: float, sound: tuple[np.ndarray, int] | None = None) -> None:
    """Save (H, W, 3) uint8 RGB frames as H.264 in an .mp4. sound: (C, T) float32 -1..1 and samples a second.

    Odd sizes are kept: their colours are then not subsampled. Raises ValueError where there is no frame or the encoder takes no such
    video, FileError where the file cannot be written; no half file is left then.
    """
    try:
        _write(path, frames, Fraction(fps).limit_denominator(1000), sound)
    except av.FFmpegError as error:
        raise ValueError(f"{path} could not be made at {fps:g} frames a second: {error.strerror}. Nothing was left there.") from None


def _write(path: str, frames: Iterable[np.ndarray], rate: Fraction, sound: tuple[np.ndarray, int] | None) -> None:
    with whole(path) as beside, av.open(beside, "w", format="mp4") as container:
        video = audio = None
        for frame in frames:
            if video is None:
                height, width = frame.shape[:2]
                video = container.add_stream(CODEC, rate=max(rate, SLOWEST), options={"crf": QUALITY})
                video.width, video.height = width, height
                video.pix_fmt = "yuv444p" if width % 2 or height % 2 else "yuv420p"
                if sound is not None:
                    audio = container.add_stream(AUDIO, rate=sound[1], layout="stereo" if len(sound[0]) > 1 else "mono")
            container.mux(video.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        if video is None:
            raise ValueError("There is no frame to write.")
        container.mux(video.encode())
        if audio is not None:
            waveform = np.ascontiguousarray(sound[0][:2], np.float32)
            for start in range(0, waveform.shape[1], BLOCK):
                block = av.AudioFrame.from_ndarray(np.ascontiguousarray(waveform[:, start : start + BLOCK]), "fltp", audio.layout.name)
                block.sample_rate, block.pts, block.time_base = sound[1], start, Fraction(1, sound[1])
                container.mux(audio.encode(block))
            container.mux(audio.encode())
