"""Soundtracks for video files being written: copied packet by packet, or encoded in step with the picture."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from itertools import islice

import av
import numpy as np
from av.container import OutputContainer
from av.error import FFmpegError

from .sound import BLOCK, Carrier, Form, finite, form_of, frame_of, layout_of, pieces, resampled
from .video_source import JOINABLE, File, first_picture, opened, sound_stream

# Adds its stream to the container, then yields its packets in order.
Soundtrack = Callable[[OutputContainer], Iterator[av.Packet]]

# Layouts that an .mp4 returns under their own name. AAC supports
# others too, but their channels lose their names.
CARRIERS = {
    "aac": Carrier(
        ("mono", "stereo", "2.1", "3.0", "4.0", "quad", "5.0", "5.1", "7.1"),
        (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000),
    ),
    "flac": Carrier(("mono", "stereo", "3.0", "quad", "5.0(side)", "5.1", "5.1(side)", "6.1", "7.1")),
}
LOSSLESS = ("pcm_", "flac", "alac", "truehd", "mlp", "wavpack", "tta", "ape")
PREROLL = 0.1  # seconds before the first picture that decoders need to start
TRIED = 8  # packets


def of_film(
    file: File, start: float, seconds: float, whole: bool, tick: Callable[[], None] = lambda: None
) -> Soundtrack | None:
    """Return the soundtrack of a part of a film; None if it has none.

    whole: the part is the whole film, so its packets are copied if an .mp4 supports them
    """
    if whole and carried(file):
        return lambda container: _copied(container, file)
    form = form_of(file)
    if form is None:
        return None
    return encoded(pieces(file, form, start, seconds, tick), form, _lossless_format(file))


def of_waveform(waveform: np.ndarray, rate: int) -> Soundtrack:
    """Return a soundtrack of (C, T) float32 samples."""
    parts = (finite(waveform[:, at : at + BLOCK]) for at in range(0, waveform.shape[1], BLOCK))
    return encoded(parts, Form(layout_of(len(waveform)), rate))


def encoded(parts: Iterable[np.ndarray], form: Form, lossless: str | None = None) -> Soundtrack:
    """Return a soundtrack of (C, T) float32 pieces: as AAC, or as FLAC if only FLAC supports the form.

    lossless: FFmpeg's sample format for FLAC, which is then preferred; None = lossy
    """
    codecs = ("flac", "aac") if lossless else ("aac", "flac")
    codec = next((name for name in codecs if CARRIERS[name].carries(form)), "aac")
    wanted = CARRIERS[codec].nearest(form)

    def packets(container) -> Iterator[av.Packet]:
        stream = container.add_stream(codec, rate=wanted.rate, layout=wanted.layout)
        if codec == "flac":
            stream.codec_context.format = lossless or "s32"
        return _encode(stream, resampled(parts, form, wanted), wanted)

    return packets


def _encode(stream, parts: Iterable[np.ndarray], form: Form) -> Iterator[av.Packet]:
    at = 0
    for piece in parts:
        for start in range(0, piece.shape[1], BLOCK):
            frame = frame_of(piece[:, start : start + BLOCK], form.layout, form.rate)
            frame.pts, frame.time_base = at, Fraction(1, form.rate)
            at += frame.samples
            yield from stream.encode(frame)
    yield from stream.encode(None)


def _lossless_format(file: File) -> str | None:
    """FFmpeg's sample format in which FLAC preserves a file's sound; None if the sound is lossy already."""
    with opened(file) as container:
        stream = sound_stream(container)
        assert stream is not None, "asked of a file with sound"
        context = stream.codec_context
        if not context.name.startswith(LOSSLESS):
            return None
        return "s16" if context.format.name.startswith(("u8", "s16")) else "s32"


def carried(file: File) -> bool:
    """Whether an .mp4 can store the packets of a file's sound unchanged."""
    with opened(file) as container:
        if sound_stream(container) is None or container.format.name in JOINABLE:
            return False
    trial = io.BytesIO()
    try:
        with av.open(trial, "w", format="mp4") as container:
            for packet in islice(_copied(container, file), TRIED):
                container.mux(packet)
        given, taken = form_of(file), form_of(trial)
    except (FFmpegError, ValueError):
        return False
    return given is not None and taken is not None and given.plain == taken.plain


def _copied(container, file: File) -> Iterator[av.Packet]:
    """Yield packets of a file's sound for a stream that is added
    here, with times relative to the first picture.
    """
    with opened(file) as source:
        begin = first_picture(source, file)
    source = opened(file)
    stream = sound_stream(source)
    return _moved(source, stream, container.add_stream_from_template(stream), begin)


def _moved(source, stream, to, begin: float) -> Iterator[av.Packet]:
    with source:
        shift, last = round(begin / stream.time_base), None
        earliest = -round(PREROLL / stream.time_base)
        for packet in source.demux(stream):
            if packet.dts is None or packet.pts is None:
                continue
            packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
            if packet.pts + (packet.duration or 0) < earliest or (last is not None and packet.dts <= last):
                continue
            last, packet.stream = packet.dts, to
            yield packet
