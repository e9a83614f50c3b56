"""The sound of a part of a video: only that part is kept, and no more is decoded than leads up to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import av
import numpy as np

from .video import File, VideoError, first_picture, go_before, name_of, opened, sound_stream


def sound(file: File, start: float, seconds: float, tick: Callable[[], None] = lambda: None) -> tuple[np.ndarray, int] | None:
    """(C, T) float32 -1..1 and samples a second of a file's sound over `seconds`, from `start` after the first picture; None without.

    Silence is put where the sound begins after the picture, and where it ends early. tick() is called for every piece that is
    decoded; what it raises goes through. Raises VideoError where the sound is damaged.
    """
    with opened(file) as container:
        if sound_stream(container) is None:
            return None
        begin = start + first_picture(container, file)
    waveform = at = rate = None
    for piece, time, rate in _pieces(file, begin, tick):
        if waveform is None:
            waveform, at = np.zeros((len(piece), round(seconds * rate)), np.float32), round((time - begin) * rate)
        low, high = max(at, 0), min(at + piece.shape[1], waveform.shape[1])
        if low < high:
            waveform[:, low:high] = piece[:, low - at : high - at]
        at += piece.shape[1]
        if at >= waveform.shape[1]:
            break
    return None if waveform is None else (waveform, rate)


def _pieces(file: File, begin: float, tick: Callable[[], None]) -> Iterator[tuple[np.ndarray, float, int]]:
    """(C, T) float32 pieces from before `begin` on, each with the seconds at which the first of them starts, and the rate."""
    with opened(file) as container:
        stream = sound_stream(container)
        resampler = av.AudioResampler(format="fltp", rate=stream.rate)
        first = None
        try:
            for frame in go_before(container, stream, begin):
                tick()
                first = (frame.time or 0.0) if first is None else first
                for piece in resampler.resample(frame):
                    yield piece.to_ndarray(), first, stream.rate
            for piece in resampler.resample(None) if first is not None else ():
                yield piece.to_ndarray(), first, stream.rate
        except av.FFmpegError as error:
            raise VideoError(f"The sound of {name_of(file)} is damaged ({error.strerror}).") from None
