"""Films in any colour coding with known true colours: patches of every hue."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import av
import numpy as np

from ..face_tools.colour import Colour, rounded, to_planes

CODINGS = {  # name -> colour coding that the film states
    "BT.601": Colour(6, 6, 6),
    "BT.709": Colour(1, 1, 1),
    "BT.2020": Colour(9, 9, 14),
    "BT.709, full range": Colour(1, 1, 1, full=True),
    "BT.601, full range": Colour(6, 6, 6, full=True),
}
HLG, PQ = Colour(9, 9, 18, bits=10), Colour(9, 9, 16, bits=10)


def chart(width: int = 160, height: int = 96, shift: int = 0) -> np.ndarray:
    """(H, W, 3) uint8 RGB: uniform patches of 16 pixels, which chroma of half the size represents exactly."""
    rng = np.random.default_rng(7)
    patches = rng.integers(30, 226, (-(-height // 16), -(-width // 16), 3))
    picture = np.kron(patches, np.ones((16, 16, 1)))[:height, :width]
    return np.roll(picture, 2 * shift, axis=1).astype(np.uint8)


def film_in(
    path: Path, colour: Colour, pictures: list[np.ndarray], tagged: bool = True, options: dict | None = None
) -> Path:
    """Write RGB pictures as a lossless 4:2:0 film at 25 frames per second, with 8 or 10 bits.

    tagged: state the colour coding in the file.
    """
    pixel_format = "yuv420p" if colour.bits == 8 else "yuv420p10le"
    codec, lossless = ("libx264", {"qp": "0"}) if colour.bits == 8 else ("ffv1", {})
    with av.open(str(path), "w") as container:
        stream = container.add_stream(
            codec, rate=25, options={**lossless, **(options or {}), **(colour.tags() if tagged else {})}
        )
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = pixel_format
        for picture in pictures:
            frame = av.VideoFrame(stream.width, stream.height, pixel_format)
            if tagged:
                frame.colorspace, frame.color_range = colour.matrix, 2 if colour.full else 1
            for plane, values in zip(frame.planes, _halved(to_planes(picture, colour))):
                kind = np.dtype(np.uint8 if colour.bits == 8 else np.uint16)
                free_vram = np.frombuffer(plane, kind).reshape(-1, plane.line_size // kind.itemsize)
                free_vram[: plane.height, : plane.width] = (
                    values if colour.bits > 8 else rounded(values.astype(np.float32))
                )
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def _halved(planes: list[np.ndarray]) -> list[np.ndarray]:
    """Return the planes with chroma of half the width and height, as integers."""
    luma, *chroma = planes
    height, width = luma.shape
    small = [plane.reshape(height // 2, 2, width // 2, 2).mean((1, 3)) for plane in chroma]
    return [np.rint(plane) for plane in (luma, *small)]


def tags_of(path: Path) -> Colour:
    """Return the colour coding that a film states."""
    with av.open(str(path)) as container:
        frame, context = next(container.decode(video=0)), container.streams.video[0].codec_context
        full = frame.format.name.startswith("yuvj") or int(frame.color_range) == 2
        numbers = int(frame.colorspace), int(context.color_primaries), int(context.color_trc)
        return Colour(*numbers, full, frame.format.components[0].bits)


def untagged(colour: Colour) -> Colour:
    """Return the coding of a film that states none of it."""
    return replace(colour, matrix=2, primaries=2, transfer=2)
