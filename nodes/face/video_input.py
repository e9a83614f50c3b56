"""A VIDEO of the host as a stream of frames: files are never decoded as a whole."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch
from comfy_api.latest import InputImpl

from ...face_tools import video as reader
from ...face_tools.sound import sound
from ..pixels import frames_uint8
from ..progress import stop_at_cancel


@dataclass(frozen=True)
class VideoStream:
    """`fps` frames a second of a part of a VIDEO; `expected` is about how many that will be (0: unknown)."""

    video: object
    fps: float
    start: float
    seconds: float
    expected: int
    held: bool  # True where the host holds the frames in memory already

    def frames(self) -> Iterator[np.ndarray]:
        """(H, W, 3) uint8 RGB frames, from the beginning at every call."""
        if not self.held:
            yield from reader.frames(self.video.get_stream_source(), self.fps, self.start, self.seconds, stop_at_cancel)
            return
        parts = self.video.get_components()
        own = float(parts.frame_rate)
        timed = ((k / own, (k + 1) / own, image) for k, image in enumerate(parts.images))
        count = reader.frame_count(self.seconds, self.fps) if self.seconds else None
        yield from frames_uint8(islice(reader.hold(timed, self.fps, self.start), count))

    def audio(self, frames: int) -> dict | None:
        """The host's AUDIO for that many frames, or None where there is no sound."""
        seconds = frames / self.fps
        if self.held:
            audio = self.video.get_components().audio
            if audio is None:
                return None
            rate = audio["sample_rate"]
            first = round(self.start * rate)
            return {"waveform": audio["waveform"][..., first : first + round(seconds * rate)].clone(), "sample_rate": rate}
        heard = sound(self.video.get_stream_source(), self.start, seconds, stop_at_cancel)
        return None if heard is None else {"waveform": torch.from_numpy(heard[0])[None], "sample_rate": heard[1]}


def open_video(video, fps: float, start: float, seconds: float) -> VideoStream:
    """`fps` 0 takes the video's own rate, `seconds` 0 reads to the end; a trim set by the host is kept."""
    if isinstance(video, InputImpl.VideoFromComponents):
        parts = video.get_components()
        rate = fps or float(parts.frame_rate)
        length = len(parts.images) / float(parts.frame_rate)
    else:
        trim_start, trim_seconds = video.get_active_trim_window() if hasattr(video, "get_active_trim_window") else (0.0, 0.0)
        if trim_seconds:
            if start >= trim_seconds:
                raise reader.VideoError(f"The trimmed video lasts {trim_seconds:.2f} s, so there is nothing to read from {start:g} s on.")
            seconds = min(seconds or trim_seconds, trim_seconds - start)
        start += trim_start
        clip = reader.probe(video.get_stream_source())
        rate, length = fps or clip.fps, clip.seconds
    expected = reader.frame_count(seconds or max(length - start, 0.0), rate)
    return VideoStream(video, rate, start, seconds, expected, isinstance(video, InputImpl.VideoFromComponents))
