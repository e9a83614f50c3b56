"""The contact sheet of the demo: what went in, what the networks saw, and what came out, frame by frame."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from ..face_tools.video_file import write

CELL, BAR, ROWS, SIDE = 192, 20, 6, 256
INK, PAPER = (225, 225, 225), (32, 32, 32)


def write_video(path: Path, frames: list[np.ndarray], fps: float) -> Path:
    """Frames (H, W, 3) uint8 RGB as H.264 in mp4, cut to an even size: every player takes that."""
    height, width = (side - side % 2 for side in frames[0].shape[:2])
    write(str(path), (frame[:height, :width] for frame in frames), fps)
    return path


def _cell(picture: np.ndarray, side: int) -> Image.Image:
    """A picture fitted into a square."""
    image, cell = Image.fromarray(picture), Image.new("RGB", (side, side), PAPER)
    scale = side / max(image.size)
    image = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.LANCZOS)
    cell.paste(image, ((side - image.width) // 2, (side - image.height) // 2))
    return cell


def show(folder: Path, name: str, columns: dict[str, list[np.ndarray]], title: str, fps: float) -> None:
    """Write NAME.png, a contact sheet, and NAME.mp4 and NAME.webp, the columns side by side; print the paths.

    columns: name -> F pictures (H, W, 3) uint8; a column of one picture is repeated
    """
    sheet = contact_sheet(folder / f"{name}.png", columns, title)
    count = max(map(len, columns.values()))
    rows = [
        [_cell(column[min(k, len(column) - 1)], SIDE) for column in columns.values()] for k in range(count)
    ]
    frames = [np.concatenate(list(map(np.asarray, row)), axis=1) for row in rows]
    video = write_video(folder / f"{name}.mp4", frames, fps)
    moving = write_moving_picture(folder / f"{name}.webp", frames, fps)
    print(f"Video:          {video} ({count} frames)\nMoving picture: {moving}\nContact sheet:  {sheet}")


def write_moving_picture(path: Path, frames: list[np.ndarray], fps: float) -> Path:
    """Frames (H, W, 3) uint8 RGB, half as large, as an animated WebP that plays for ever."""
    size = frames[0].shape[1] // 2, frames[0].shape[0] // 2
    first, *others = (Image.fromarray(frame).resize(size, Image.Resampling.LANCZOS) for frame in frames)
    duration = round(1000 / fps)  # milliseconds
    first.save(path, save_all=True, append_images=others, duration=duration, loop=0, quality=70, method=6)
    return path


def contact_sheet(path: Path, columns: dict[str, list[np.ndarray]], title: str) -> Path:
    """Write a sheet of at most ROWS frames, evenly spread."""
    count = max(map(len, columns.values()))
    rows = np.unique(np.linspace(0, count - 1, min(count, ROWS)).round().astype(int))
    sheet = Image.new("RGB", (CELL * len(columns), BAR * 2 + CELL * len(rows)), PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((4, 4), title, INK)
    for x, (name, column) in enumerate(columns.items()):
        draw.text((x * CELL + 4, BAR + 4), name, INK)
        for y, row in enumerate(rows):
            sheet.paste(_cell(column[min(row, len(column) - 1)], CELL), (x * CELL, 2 * BAR + y * CELL))
    sheet.save(path)
    return path
