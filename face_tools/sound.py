"""Reads the sound of a part of a video as samples, in every codec,
layout and sample format that FFmpeg decodes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import av
import numpy as np
from av.error import FFmpegError

from .video import go_before
from .video_source import File, first_picture, opened, sound_stream

# FFmpeg's layouts for 1, 2, ... channels.
NAMES = (
    "mono",
    "stereo",
    "2.1",
    "4.0",
    "5.0",
    "5.1",
    "6.1",
    "7.1",
)
MIXES = {8: "7.1", 6: "5.1", 2: "stereo", 1: "mono"}  # channels -> layout that larger ones are mixed down to
# Seconds by which a piece may be early or late relative to the
# previous one before it is moved to its own time.
GAP = 0.1
BLOCK = 1 << 14  # samples that are resampled at a time


@dataclass(frozen=True)
class Form:
    """Form of a sound: FFmpeg's name of its channel layout, and samples per second."""

    layout: str
    rate: int

    @property
    def channels(self) -> int:
        """Number of channels."""
        return av.AudioLayout(self.layout).nb_channels

    @property
    def plain(self) -> str:
        """The layout's name without its variant: 5.1(side) has the channels of 5.1."""
        return self.layout.partition("(")[0]


@dataclass(frozen=True)
class Carrier:
    """The layouts and sample rates that a codec or a node supports; empty rates = any."""

    layouts: tuple[str, ...]
    rates: tuple[int, ...] = ()

    def nearest(self, form: Form) -> Form:
        """Return `form` if it is supported, otherwise the largest layout
        with no more channels and the next higher rate.
        """
        return Form(self._layout(form), self._rate(form.rate))

    def carries(self, form: Form) -> bool:
        """Whether every channel and sample of `form` is supported."""
        nearest = self.nearest(form)
        return (nearest.channels, nearest.rate) == (form.channels, form.rate)

    def _layout(self, form: Form) -> str:
        for name in (form.layout, form.plain):
            if name in self.layouts and av.AudioLayout(name).nb_channels == form.channels:
                return name
        return next(mix for count, mix in MIXES.items() if count <= form.channels and mix in self.layouts)

    def _rate(self, rate: int) -> int:
        if not self.rates or rate in self.rates:
            return rate
        return min((one for one in self.rates if one > rate), default=max(self.rates))


def sound(
    file: File,
    start: float,
    seconds: float,
    tick: Callable[[], None] = lambda: None,
    carrier: Carrier | None = None,
) -> tuple[np.ndarray, int] | None:
    """Return ((C, T) float32 samples, rate): `seconds` of a file's sound, from `start` seconds after the
    first picture; None if it has no sound.

    carrier: supported forms of the result; other sound is mixed down
    and resampled. See `pieces` for damaged files.
    """
    form = form_of(file)
    if form is None:
        return None
    wanted = form if carrier is None else carrier.nearest(form)
    waveform, at = np.zeros((wanted.channels, round(seconds * wanted.rate)), np.float32), 0
    for piece in resampled(pieces(file, form, start, seconds, tick), form, wanted):
        piece = piece[:, : waveform.shape[1] - at]
        waveform[:, at : at + piece.shape[1]] = piece
        at += piece.shape[1]
    return waveform, wanted.rate


def mixed(waveform: np.ndarray, rate: int, carrier: Carrier) -> tuple[np.ndarray, int]:
    """Convert (C, T) float32 samples and their rate to the nearest form that `carrier` supports."""
    form = Form(layout_of(len(waveform)), rate)
    wanted = carrier.nearest(form)
    return np.concatenate(list(resampled([waveform], form, wanted)), axis=1), wanted.rate


def form_of(file: File) -> Form | None:
    """Return layout and rate of a file's sound, from its first frame; None if no sound can be decoded."""
    with opened(file) as container:
        stream = sound_stream(container)
        first = next(_decoded(container, stream), None) if stream else None
        return first and Form(_named(first.layout), first.sample_rate)


def _named(layout: av.AudioLayout) -> str:
    """Return the layout's name.

    If a file does not state its channels, the usual layout for their number is returned.
    """
    return layout_of(layout.nb_channels) if layout.name == f"{layout.nb_channels} channels" else layout.name


def layout_of(channels: int) -> str:
    """FFmpeg's usual layout for a number of channels."""
    return NAMES[channels - 1] if channels <= len(NAMES) else f"{channels} channels"


def pieces(
    file: File, form: Form, start: float, seconds: float, tick: Callable[[], None] = lambda: None
) -> Iterator[np.ndarray]:
    """Yield (C, T) float32 pieces in `form`: `seconds` of a file's sound,
    from `start` seconds after the first picture.

    A late start, gaps, an early end, damaged packets and NaN samples become silence. tick() is called per
    decoded frame; exceptions that it raises are propagated.
    """
    with opened(file) as container:
        begin = start + first_picture(container, file)
    at, total = 0, round(seconds * form.rate)
    for time, piece in _timed(file, form, begin):
        tick()
        due = round((time - begin) * form.rate)
        if at == 0 or abs(due - at) > GAP * form.rate:
            silence = min(max(due - at, 0), total - at)
            yield from _silence(form.channels, silence)
            piece = piece[:, max(at - due, 0) :]
            at += silence
        piece = piece[:, : total - at]
        if piece.shape[1]:
            yield piece
        at += piece.shape[1]
        if at >= total:
            return
    yield from _silence(form.channels, total - at)


def _silence(channels: int, samples: int) -> Iterator[np.ndarray]:
    for start in range(0, samples, BLOCK):
        yield np.zeros((channels, min(BLOCK, samples - start)), np.float32)


def resampled(parts: Iterable[np.ndarray], form: Form, wanted: Form) -> Iterator[np.ndarray]:
    """Convert (C, T) float32 pieces to another layout and rate by
    FFmpeg's rules: the centre is mixed at -3 dB.
    """
    if form == wanted:
        yield from parts
        return
    layout = form.layout
    if layout.startswith(
        "ambisonic"
    ):  # FFmpeg has no rule for these; their first channel contains all directions
        parts, layout = (piece[:1] for piece in parts), "mono"
    resampler = av.AudioResampler(format="flt", layout=wanted.layout, rate=wanted.rate)
    for piece in parts:
        for start in range(0, piece.shape[1], BLOCK):
            for frame in resampler.resample(frame_of(piece[:, start : start + BLOCK], layout, form.rate)):
                yield samples_of(frame)
    for frame in resampler.resample(None):
        yield samples_of(frame)


def frame_of(piece: np.ndarray, layout: str, rate: int) -> av.AudioFrame:
    """Return an interleaved frame of (C, T) float32 samples."""
    # Interleaved: PyAV (14 to 18) reads beyond its list of eight or more separate planes.
    frame = av.AudioFrame.from_ndarray(
        np.ascontiguousarray(piece.T, np.float32).reshape(1, -1), "flt", layout
    )
    frame.sample_rate = rate
    return frame


def samples_of(frame: av.AudioFrame) -> np.ndarray:
    """Return the (C, T) float32 samples of an interleaved float frame."""
    return finite(frame.to_ndarray().reshape(-1, len(frame.layout.channels)).T)


def finite(samples: np.ndarray) -> np.ndarray:
    """Replace NaN by silence, and infinite samples by full scale."""
    return np.nan_to_num(samples, nan=0.0, posinf=1.0, neginf=-1.0)


def _timed(file: File, form: Form, begin: float) -> Iterator[tuple[float, np.ndarray]]:
    """Yield (C, T) float32 pieces in `form`, from some
    time before `begin` on, each with its time in seconds.
    """
    with opened(file) as container:
        stream = sound_stream(container)
        resampler, read = None, None
        end = 0.0
        for frame in go_before(container, stream, begin, decode=_decoded):
            kind = frame.format.name, frame.layout.name, frame.sample_rate
            if resampler is None or kind != read:  # broadcasts switch between 5.1 and stereo
                resampler, read = av.AudioResampler(format="flt", layout=form.layout, rate=form.rate), kind
            time = end if frame.time is None else frame.time
            for piece in resampler.resample(frame):
                samples = samples_of(piece)
                yield time, samples
                time += samples.shape[1] / form.rate
            end = time


def _decoded(container, stream) -> Iterator[av.AudioFrame]:
    """Yield the frames of a stream, skipping damaged packets."""
    for packet in container.demux(stream):
        try:
            yield from packet.decode()
        except FFmpegError:
            continue
