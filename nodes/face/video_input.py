"""Reads a VIDEO of ComfyUI as a stream of frames; a file is never decoded as a whole."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import islice
from typing import Any

import numpy as np
import torch
from comfy_api.latest import InputImpl

from ...face_tools import video as reader
from ...face_tools.film_frame import CodedFrame, RgbFrame
from ...face_tools.sound import Carrier, finite, mixed, sound
from ...face_tools.soundtrack import CARRIERS, Soundtrack, of_film, of_waveform
from ..pixels import frames_uint8
from ..progress import stop_at_cancel


@dataclass(frozen=True)
class VideoStream:
    """A part of a VIDEO, read at `fps` frames per second from `start` on for `seconds`.

    expected: approximate number of frames (0: unknown)
    held:     whether ComfyUI holds the frames in memory already
    length:   seconds of the file's picture stream (0: unknown)
    hdr:      name of the file's HDR transfer function, None = SDR
    """

    video: Any  # ComfyUI's VIDEO
    fps: float
    start: float
    seconds: float
    expected: int
    held: bool
    length: float = 0.0
    hdr: str | None = None

    @property
    def notes(self) -> list[str]:
        """Notes for the user about the file."""
        if self.hdr is None:
            return []
        return [f"The video is HDR ({self.hdr}); its colours are tone-mapped to SDR (BT.709, 8 bits)."]

    def frames(self) -> Iterator[np.ndarray]:
        """Yield (H, W, 3) uint8 RGB frames, from the beginning at every call."""
        for picture in self.pictures():
            yield picture.rgb()

    def pictures(self) -> Iterator[CodedFrame | RgbFrame]:
        """Yield the frames in the colour coding of the file."""
        if not self.held:
            yield from reader.pictures(
                self.video.get_stream_source(), self.fps, self.start, self.seconds, stop_at_cancel
            )
            return
        parts = self.video.get_components()
        own = float(parts.frame_rate)
        timed = ((k / own, (k + 1) / own, image) for k, image in enumerate(parts.images))
        count = reader.frame_count(self.seconds, self.fps) if self.seconds else None
        for frame in frames_uint8(islice(reader.hold(timed, self.fps, self.start), count)):
            yield RgbFrame(frame)

    def audio(self, frames: int) -> dict | None:
        """Return ComfyUI's AUDIO for that many frames, or None if there is no sound."""
        seconds = frames / self.fps
        if self.held:
            held = self._held_audio(seconds)
            heard = held and mixed(*held, _audio_carrier())
        else:
            heard = sound(
                self.video.get_stream_source(), self.start, seconds, stop_at_cancel, _audio_carrier()
            )
        return heard and {"waveform": torch.from_numpy(heard[0])[None], "sample_rate": heard[1]}

    def soundtrack(self, frames: int) -> Soundtrack | None:
        """Return the sound of that many frames for an output file; copied
        without re-encoding if they are the whole film.

        None if there is no sound.
        """
        seconds = frames / self.fps
        if self.held:
            held = self._held_audio(seconds)
            return held and of_waveform(*held)
        whole = self.start == 0 and 0 < self.length <= seconds + 1 / self.fps
        return of_film(self.video.get_stream_source(), self.start, seconds, whole, stop_at_cancel)

    def _held_audio(self, seconds: float) -> tuple[np.ndarray, int] | None:
        """Return ((C, T) float32 samples, sample rate) of a video that
        ComfyUI holds in memory; None if it has no sound.
        """
        audio = self.video.get_components().audio
        if audio is None:
            return None
        rate = audio["sample_rate"]
        first = round(self.start * rate)
        waveform = audio["waveform"][0, :, first : first + round(seconds * rate)]
        return finite(waveform.float().cpu().numpy()), rate


@cache
def _audio_carrier() -> Carrier:
    """Return the AUDIO formats that Save Video can write: mono, stereo, and 5.1 if this ComfyUI supports
    it, at AAC's sample rates.
    """
    surround = "5.1" in InputImpl.VideoFromComponents.save_to.__code__.co_consts
    return Carrier(("mono", "stereo", "5.1") if surround else ("mono", "stereo"), CARRIERS["aac"].rates)


def open_video(video, fps: float, start: float, seconds: float) -> VideoStream:
    """Open a VIDEO.

    fps: 0 = the video's own rate; start: seconds to skip; seconds:
    0 = to the end. A trim set by ComfyUI is kept.
    """
    if isinstance(video, InputImpl.VideoFromComponents):
        parts = video.get_components()
        rate = fps or float(parts.frame_rate)
        length = len(parts.images) / float(parts.frame_rate)
        return VideoStream(video, rate, start, seconds, _expected(length, start, seconds, rate), True)
    trim_start, trim_seconds = (
        video.get_active_trim_window() if hasattr(video, "get_active_trim_window") else (0.0, 0.0)
    )
    if trim_seconds:
        if start >= trim_seconds:
            raise reader.VideoError(
                f"The trimmed video lasts {trim_seconds:.2f} s, "
                f"so there is nothing to read from {start:g} s on."
            )
        seconds = min(seconds or trim_seconds, trim_seconds - start)
    start += trim_start
    clip = reader.probe(video.get_stream_source())
    rate = fps or clip.fps
    expected = _expected(clip.seconds, start, seconds, rate)
    return VideoStream(video, rate, start, seconds, expected, False, clip.seconds, clip.hdr)


def _expected(length: float, start: float, seconds: float, rate: float) -> int:
    return reader.frame_count(seconds or max(length - start, 0.0), rate)
