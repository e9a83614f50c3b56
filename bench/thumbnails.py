"""The pictures of templates, icon and banner, from drawn heads alone: `python run.py bench thumbnails [--output DIR]`.

No published weights were at hand, so the last panel is what the Expression Editor shows (the portrait bent by its own mesh), and says so.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np

from ..demo.environment import ROOT
from ..theatre import Identity, State, draw, truth
from ..theatre.puppet import Puppet

SIDE, BAR, GAP = 300, 34, 6
INK, PAPER = (34, 38, 46), (246, 246, 244)
POSE = State.named((4.0, 10.0, -4.0), jawOpen=0.35, mouthSmileLeft=0.8, mouthSmileRight=0.8, browInnerUp=0.6)
WINK = State.named((0.0, -8.0, 3.0), eyeBlinkLeft=0.9, mouthSmileLeft=0.7, mouthSmileRight=0.5)
PEOPLE = (3, 8, 21, 5, 12)  # seeds of the heads that are drawn
MESH = "the portrait, bent by its own mesh"
# Template -> what stands over its three panels; "" leaves a panel out.
PANELS = {
    "portrait_video": ("a portrait", "a frame of a video", MESH),
    "portrait_video_two_stage": ("a portrait", "a frame of a video", MESH),
    "portrait_image": ("a portrait", "a picture", MESH),
    "portrait_expression": ("a portrait", "", MESH),
    "portrait_directed": ("a portrait", "a frame of a video", MESH),
    "portrait_pair": ("one of two portraits", "a picture", MESH),
    "portrait_film": ("a portrait", "a frame of a film", MESH),
}


def bent(seed: int, state: State, size: int) -> tuple[np.ndarray, np.ndarray]:
    """A drawn portrait at rest, and the same bent as `state` asks: two (size, size, 3) uint8 RGB."""
    who, rest = Identity.of(seed), State()
    portrait = draw(who, rest, size)
    return portrait, Puppet(portrait, truth(who, [rest], size)).draw(state.coefficients, state.rotation)


def template(name: str, number: int) -> np.ndarray:
    """The picture of a template."""
    seed, other = PEOPLE[number % len(PEOPLE)], PEOPLE[(number + 2) % len(PEOPLE)]
    state = WINK if number % 2 else POSE
    portrait, result = bent(seed, state, SIDE)
    pictures = (portrait, draw(Identity.of(other), state, SIDE), result)
    shown = [_panel(picture, title) for picture, title in zip(pictures, PANELS[name]) if title]
    return np.concatenate([part for panel in shown for part in (panel, np.full((SIDE + BAR, GAP, 3), PAPER, np.uint8))][:-1], 1)


def _panel(picture: np.ndarray, title: str) -> np.ndarray:
    bar = np.full((BAR, SIDE, 3), INK, np.uint8)
    cv2.putText(bar, title, (10, 22), cv2.FONT_HERSHEY_SIMPLEX, 0.47, PAPER, 1, cv2.LINE_AA)
    return np.concatenate([bar, picture])


def banner() -> np.ndarray:
    """A row of heads that all do the same, (260, 1300, 3)."""
    return np.concatenate([draw(Identity.of(seed), POSE, 260) for seed in PEOPLE], 1)


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python run.py bench thumbnails", description=__doc__)
    parser.add_argument("--output", type=Path, default=ROOT, help="instead of the repository")
    root = parser.parse_args(argv).output
    pictures = {f"workflows/{name}.jpg": template(name, k) for k, name in enumerate(PANELS)}
    pictures |= {"web/pictures/icon.png": draw(Identity.of(PEOPLE[3]), POSE, 256), "web/pictures/banner.jpg": banner()}
    for name, picture in pictures.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 88])
        print(path)
    return 0
