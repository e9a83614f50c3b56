"""What pasting a face changes in the rest of a film: sound levels, and colour errors per channel.

The films are generated: grain over a chart of colours, one tone per channel. --film measures one of yours.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from ...face_tools import soundtrack, video
from ...face_tools.film_frame import CodedFrame
from ...face_tools.sound import sound
from ...face_tools.video_file import LOSSLESS, QUALITIES, write
from ...testing.colours import CODINGS, HLG, PQ, chart, film_in
from ...testing.sounds import film_with_sound, packets_of, tones
from ..options import bench_parser

ROUNDS, FPS, FRAMES = 5, 25.0, 24
SQUARE = (slice(16, 64), slice(32, 80))  # rows and columns into which noise is pasted
EDGE = 4  # pixels inside the square that stay unchanged, as with a soft edge
SOUNDTRACKS = [
    ("aac", "stereo", 44100, "mkv"),
    ("aac", "2.1", 48000, "mkv"),
    ("ac3", "quad", 48000, "mkv"),
    ("ac3", "5.1(side)", 48000, "mkv"),
    ("flac", "6.1", 48000, "mkv"),
    ("libopus", "7.1", 48000, "mkv"),
    ("pcm_s16le", "5.1", 8000, "mov"),
    ("pcm_s32le", "stereo", 192000, "mov"),
    ("pcm_f32le", "7.1", 176400, "mkv"),
]


def main(argv: list[str]) -> int:
    """Print both tables."""
    parser = bench_parser("films", __doc__)
    parser.add_argument("--film", type=Path, help="measure the colours of this film instead of made ones")
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        if options.film is None:
            sounds(Path(folder))
            for name, coding in {**CODINGS, "HLG (tone-mapped)": HLG, "PQ (tone-mapped)": PQ}.items():
                film = film_in(Path(folder) / "film.mkv", coding, [grainy(k) for k in range(FRAMES)])
                colours(Path(folder), name, film)
        else:
            colours(Path(folder), options.film.name, options.film)
    return 0


def grainy(k: int) -> np.ndarray:
    """Return the colour chart with camera grain, (H, W, 3) uint8."""
    grain = cv2.GaussianBlur(
        np.random.default_rng(k).normal(0, 6, (192, 320, 1)).astype(np.float32), (0, 0), 0.7
    )
    return np.clip(chart(320, 192, k) + grain[..., None], 0, 255).astype(np.uint8)


def pasted(film: Path, quality: str) -> Iterator[CodedFrame]:
    """Yield the frames of a film with noise in the square."""
    rng = np.random.default_rng(0)
    for picture in video.pictures(film, seconds=FRAMES / FPS, fps=FPS):
        coded = picture.stored(halved=quality != LOSSLESS)
        rows, columns = SQUARE
        change = rng.normal(0, 0.1, (rows.stop - rows.start, columns.stop - columns.start, 3)).astype(
            np.float32
        )
        change[:EDGE] = change[-EDGE:] = change[:, :EDGE] = change[:, -EDGE:] = 0
        coded.add(columns.start, rows.start, change)
        yield coded


def outside(film: Path) -> np.ndarray:
    """Return the pixels of a film outside the square, (F, pixels, 3) int16."""
    frames = np.stack(list(video.frames(film, seconds=FRAMES / FPS, fps=FPS))).astype(np.int16)
    around = np.ones(frames.shape[1:3], bool)
    around[SQUARE] = False
    return frames[:, around]


def colours(folder: Path, name: str, film: Path) -> None:
    """Print the error outside the square for each quality, in levels of R, G and B."""
    print(f"\n{name}\n  quality   rounds  shift R G B            mean error R G B     99 %  largest  Mbit/s")
    first = outside(film)
    for quality in QUALITIES:
        last = film
        for count in range(1, ROUNDS + 1):
            made = folder / f"{count}.mp4"
            write(str(made), pasted(last, quality), FPS, quality=quality)
            last = made
            if count in (1, ROUNDS):
                off = outside(last) - first
                shift, mean = (
                    " ".join(f"{value:6.3f}" for value in values)
                    for values in (off.mean((0, 1)), np.abs(off).mean((0, 1)))
                )
                rate = made.stat().st_size * 8 * FPS / len(first) / 1e6
                worst = np.percentile(np.abs(off), 99), np.abs(off).max()
                print(f"  {quality:9} {count:6}  {shift}  {mean}  {worst[0]:4.0f}  {worst[1]:7}  {rate:6.2f}")


def sounds(folder: Path) -> None:
    """Print peak and RMS of every channel relative to the source, in dB, for a whole film and for a part."""
    print("Sound, dB against the source per channel: peak/RMS")
    for codec, layout, rate, container in SOUNDTRACKS:
        film = film_with_sound(
            folder / f"sound.{container}", codec, tones(layout, rate, 2.0), layout, rate, frames=50
        )
        for start, seconds, whole in ((0.0, 2.0, True), (0.5, 1.0, False)):
            made = folder / "pasted.mp4"
            write(
                str(made),
                video.pictures(film, seconds=seconds),
                FPS,
                soundtrack.of_film(film, start, seconds, whole),
            )
            before, after = (sound(one, at, seconds)[0] for one, at in ((film, start), (made, 0.0)))
            copied = packets_of(made) == packets_of(film)
            how = "copied" if copied else f"as {packets_of(made)[0]}"
            rows = " ".join(f"{_peak(a, b):+.2f}/{_rms(a, b):+.2f}" for a, b in zip(after, before))
            print(f"  {codec:10} {layout:10} {rate:7} Hz  {'whole' if whole else 'part':5} {how:10} {rows}")


def _peak(after: np.ndarray, before: np.ndarray) -> float:
    return 20 * np.log10(np.abs(after).max() / np.abs(before).max())


def _rms(after: np.ndarray, before: np.ndarray) -> float:
    return 10 * np.log10(np.square(after).mean() / np.square(before).mean())
