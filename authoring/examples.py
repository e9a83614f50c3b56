"""Draw the pictures and clips with which the templates
start: `python run.py pictures examples [--output DIR]`.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from ..drawn_heads import Identity, State, clip, draw, truth
from ..drawn_heads.examples import FOLDER, NAME, PERSON
from ..face_tools import track_file, video_file
from .thumbnails import DRIVER, POSE, skeleton

FRAMES, FPS = 30, 15.0  # the part of a video that the templates read
PORTRAIT, CLIP = 512, 384  # pixels per side
LIVELIER = 1.4  # factor on the expression of the examples, because that of a drawn performance is weak


def performance() -> list[State]:
    """Return one state per frame of the driving clip: the head turns to both sides of a straight pose."""
    states = clip(DRIVER, FRAMES, FPS)
    straight = np.mean([state.rotation for state in states], axis=0)
    return [
        replace(
            state,
            rotation=state.rotation - straight,
            coefficients=np.clip(LIVELIER * state.coefficients, 0, 1),
        )
        for state in states
    ]


def write(folder: Path) -> list[Path]:
    """Write every file and return the paths."""
    states, who, driver = performance(), Identity.of(PERSON), Identity.of(DRIVER)
    folder.mkdir(parents=True, exist_ok=True)
    paths = {
        name: folder / NAME.format(name)
        for name in (
            "portrait.png",
            "portrait.npz",
            "expression.png",
            "driver.mp4",
            "driver.npz",
            "pose.mp4",
        )
    }
    for name, picture in (
        ("portrait.png", draw(who, State(), PORTRAIT)),
        ("expression.png", draw(driver, POSE, PORTRAIT)),
    ):
        cv2.imwrite(str(paths[name]), picture[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 9])
    track_file.save(truth(who, [State()], PORTRAIT), paths["portrait.npz"])
    track_file.save(truth(driver, states, CLIP, FPS), paths["driver.npz"])
    for name, frames in (
        ("driver.mp4", (draw(driver, state, CLIP) for state in states)),
        ("pose.mp4", (cv2.resize(skeleton(state), (CLIP, CLIP)) for state in states)),
    ):
        video_file.write(str(paths[name]), frames, FPS)
    return list(paths.values())


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python run.py pictures examples", description=__doc__)
    parser.add_argument("--output", type=Path, default=FOLDER)
    for path in write(parser.parse_args(argv).output):
        print(f"{path} ({path.stat().st_size / 1024:.0f} KB)")
    return 0
