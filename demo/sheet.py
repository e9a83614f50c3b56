"""The contact sheet of the demo: what went in, what the networks saw, and what came out, frame by frame."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

COLUMNS = ("reference", "driver", "head pose", "left eye | right eye | mouth", "result")
CELL, BAR, ROWS = 192, 20, 6
INK, PAPER = (225, 225, 225), (32, 32, 32)


def write_video(path: Path, frames: list[np.ndarray], fps: float) -> Path:
    """Frames (H, W, 3) uint8 RGB as H.264 in mp4."""
    from fractions import Fraction

    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1000), options={"crf": "17"})
        stream.height, stream.width = (side - side % 2 for side in frames[0].shape[:2])
        stream.pix_fmt = "yuv420p"
        for frame in frames:
            cut = np.ascontiguousarray(frame[: stream.height, : stream.width])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(cut, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def _cell(pictures: list[np.ndarray]) -> Image.Image:
    """Pictures side by side, fitted into one cell."""
    cell = Image.new("RGB", (CELL, CELL), PAPER)
    side = CELL // len(pictures)
    for k, picture in enumerate(pictures):
        image = Image.fromarray(picture)
        image.thumbnail((side, CELL), Image.Resampling.LANCZOS)
        if max(image.size) < side:
            image = image.resize((side, side * image.height // image.width), Image.Resampling.LANCZOS)
        cell.paste(image, (k * side + (side - image.width) // 2, (CELL - image.height) // 2))
    return cell


def contact_sheet(path: Path, columns: list[list[list[np.ndarray]]], title: str) -> Path:
    """Write a sheet of at most ROWS frames, evenly spread.

    columns: for each of COLUMNS, for each frame, the pictures (H, W, 3) uint8 of one cell; a column of one frame is repeated.
    """
    count = max(map(len, columns))
    rows = np.unique(np.linspace(0, count - 1, min(count, ROWS)).round().astype(int))
    sheet = Image.new("RGB", (CELL * len(columns), BAR * 2 + CELL * len(rows)), PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((4, 4), title, INK)
    for x, (name, column) in enumerate(zip(COLUMNS, columns, strict=True)):
        draw.text((x * CELL + 4, BAR + 4), name, INK)
        for y, row in enumerate(rows):
            sheet.paste(_cell(column[min(row, len(column) - 1)]), (x * CELL, 2 * BAR + y * CELL))
    sheet.save(path)
    return path
