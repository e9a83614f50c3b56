"""`python run.py drawn_heads`: drawn heads as a contact sheet, and a clip with its truth beside it."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from ..drawn_heads import Identity, State, clip, draw, masks, truth
from ..face_tools.pictures.head_pose_raster import draw_box
from ..face_tools.pictures.preview import draw_overlay, draw_plot
from ..host.environment import ROOT
from .sheet import INK, PAPER, write_video

COLUMNS, CELL, BAR, FPS = 8, 192, 18, 25.0
Cells = list[tuple[str, np.ndarray]]  # name, (CELL, CELL, 3) uint8
EXPRESSIONS = (
    ("blink", {"eyeBlinkLeft": 1, "eyeBlinkRight": 1}),
    ("jawOpen", {"jawOpen": 1}),
    ("smile", {"mouthSmileLeft": 1, "mouthSmileRight": 1}),
    ("pucker", {"mouthPucker": 1}),
    ("browInnerUp", {"browInnerUp": 1}),
    ("browDown", {"browDownLeft": 1, "browDownRight": 1}),
    (
        "browOuterUp, eyeWide",
        {"browOuterUpLeft": 1, "browOuterUpRight": 1, "eyeWideLeft": 1, "eyeWideRight": 1},
    ),
    (
        "gaze, wink, laugh",
        {"eyeLookInLeft": 1, "eyeBlinkRight": 1, "jawOpen": 0.5, "mouthSmileLeft": 1, "mouthSmileRight": 1},
    ),
)
TURNS = ((0, -35, 0), (0, -15, 0), (0, 15, 0), (0, 35, 0), (18, 0, 0), (-18, 0, 0), (0, 0, 18), (10, 25, -15))


def people(seed: int) -> Cells:
    """Sixteen people from `seed` on."""
    return [(f"person {seed + k}", draw(Identity.of(seed + k), State(), CELL)) for k in range(2 * COLUMNS)]


def expressions(seed: int) -> Cells:
    return [(name, draw(Identity.of(seed), State.named(**values), CELL)) for name, values in EXPRESSIONS]


def motions(seed: int, motion: int) -> Cells:
    """One person through turns and a motion, and its masks of eyes and mouth."""
    who, moving = Identity.of(seed), clip(motion, COLUMNS * 8, FPS)[::8]
    cells = [
        ("pitch {} yaw {} roll {}".format(*degrees), draw(who, State.named(degrees), CELL))
        for degrees in TURNS
    ]
    shown = [draw(who, state, CELL) for state in moving]
    cells += [(f"clip, frame {8 * k}", picture) for k, picture in enumerate(shown)]
    lit = [
        (picture * (0.25 + 0.75 * masks(who, s, CELL)[..., None])).astype(np.uint8)
        for picture, s in zip(shown, moving)
    ]
    return cells + [(f"its masks, frame {8 * k}", picture) for k, picture in enumerate(lit)]


def arranged(cells: Cells) -> Image.Image:
    """Named pictures in rows of COLUMNS."""
    rows = -(-len(cells) // COLUMNS)
    sheet = Image.new("RGB", (COLUMNS * CELL, rows * (CELL + BAR)), PAPER)
    pen = ImageDraw.Draw(sheet)
    for k, (name, picture) in enumerate(cells):
        x, y = k % COLUMNS * CELL, k // COLUMNS * (CELL + BAR)
        pen.text((x + 4, y + 3), name, INK)
        sheet.paste(Image.fromarray(picture), (x, y + BAR))
    return sheet


def with_truth(seed: int, frames: int, size: int) -> list[np.ndarray]:
    """Return frames of a clip: drawing, landmarks, head-pose box, and below them curves with the current time."""
    who, states = Identity.of(seed), clip(seed, frames, FPS)
    track = truth(who, states, size, FPS)
    plot = draw_plot(track, size=(3 * size, size))
    left, right = 46, 3 * size - 150  # the plot's own margins
    result = []
    for k, state in enumerate(states):
        picture = draw(who, state, size)
        box = draw_box(state.rotation, state.translation, (size, size))
        now = plot.copy()
        now[26 : size - 42, round(left + (k + 0.5) / frames * (right - left))] = (220, 40, 40)
        result.append(
            np.concatenate([np.concatenate([picture, draw_overlay(picture, track, k), box], 1), now])
        )
    return result


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python run.py drawn_heads", description=__doc__)
    parser.add_argument(
        "--seed", type=int, default=0, help="the first person, and the motion (default: %(default)s)"
    )
    parser.add_argument("--frames", type=int, default=125, help="frames of the clip (default: %(default)s)")
    parser.add_argument(
        "--size", type=int, default=384, help="width and height of a head in the clip (default: %(default)s)"
    )
    parser.add_argument(
        "--output", type=Path, default=ROOT / "output", help="folder for the results (default: %(default)s)"
    )
    options = parser.parse_args(argv)
    for name, low in (("seed", 0), ("frames", 2), ("size", 256)):
        if getattr(options, name) < low:
            parser.error(f"--{name} is at least {low}, got {getattr(options, name)}")
    options.output.mkdir(parents=True, exist_ok=True)
    sheet = options.output / "drawn_heads.png"
    arranged(
        people(options.seed) + expressions(options.seed + 1) + motions(options.seed + 7, options.seed)
    ).save(sheet)
    video = write_video(
        options.output / "drawn_heads.mp4", with_truth(options.seed, options.frames, options.size), FPS
    )
    print(f"Contact sheet: {sheet}\nClip:          {video} ({options.frames} frames with their truth)")
    return 0
