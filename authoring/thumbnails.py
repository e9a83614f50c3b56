"""Draw the templates' pictures, the icon and the banner: `python run.py pictures thumbnails [--output DIR]`.

They show drawn heads, because no official weights were at hand: the result in each is a drawing of what is
expected, or the preview of the Expression Editor (the portrait warped by its landmarks).
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from ..drawn_heads import Identity, State, draw, truth
from ..drawn_heads.examples import PERSON
from ..face_tools.pictures.puppet import Puppet
from ..host.environment import ROOT

SIDE, WHOLE = 300, 440  # pixels per side of a drawn picture, and of a thumbnail
SMALL, FRAME, GAP = 112, 3, 10
PAPER = (246, 246, 244)
POSE = State.named((4.0, 10.0, -4.0), jawOpen=0.35, mouthSmileLeft=0.8, mouthSmileRight=0.8, browInnerUp=0.6)
WINK = State.named((0.0, -8.0, 3.0), eyeBlinkLeft=0.9, mouthSmileLeft=0.7, mouthSmileRight=0.5)
DRIVER = 8  # person of the example video
PEOPLE = (3, 8, 21, 5, 12)  # seeds of the drawn heads
SMILE = State.named(
    (3.0, 9.0, 4.0),
    mouthSmileLeft=0.7,
    mouthSmileRight=0.7,
    browInnerUp=0.7,
    browOuterUpLeft=0.6,
    browOuterUpRight=0.6,
)
ACTED = ("portrait_video", "portrait_video_two_stage", "portrait_image", "portrait_directed")


def acted(number: int) -> np.ndarray:
    """Draw a portrait, a driver, and the portrait with the driver's expression."""
    seed, other = PEOPLE[number % len(PEOPLE)], PEOPLE[(number + 2) % len(PEOPLE)]
    state = WINK if number % 2 else POSE
    roles = (seed, State()), (other, state), (seed, state)
    return _square([draw(Identity.of(who), what, SIDE) for who, what in roles])


def tried() -> np.ndarray:
    """Draw the example portrait, the example driver, and the
    portrait with the driver's expression and a smile.
    """
    smiling = dict.fromkeys(("mouthSmileLeft", "mouthSmileRight"), 0.8)
    state = State.named((0.0, 8.0, 2.0), jawOpen=0.3, browInnerUp=0.4, **smiling)
    who, driver = Identity.of(PERSON), Identity.of(DRIVER)
    return _square([draw(who, State(), SIDE), draw(driver, state, SIDE), draw(who, state, SIDE)])


def expression() -> np.ndarray:
    """Draw a portrait, and the editor's preview of an expression."""
    who, rest = Identity.of(PEOPLE[3]), State()
    portrait = draw(who, rest, 2 * SIDE)
    bent = Puppet(portrait, truth(who, [rest], 2 * SIDE)).draw(SMILE.coefficients, SMILE.rotation)
    return _square([portrait, bent])


def pair() -> np.ndarray:
    """Draw two portraits, a driver, and both portraits in one picture with the driver's expression."""
    left, right, other = (Identity.of(seed) for seed in (PEOPLE[4], PEOPLE[0], PEOPLE[2]))
    quarter = slice(SIDE // 4, SIDE - SIDE // 4)
    at_rest, acting = (
        np.concatenate([draw(who, state, SIDE)[:, quarter] for who in (left, right)], 1)
        for state in (State(), WINK)
    )
    return _square([at_rest, draw(other, WINK, SIDE), acting])


def film() -> np.ndarray:
    """Draw a portrait, a frame of a film, and the same frame with the portrait's face."""
    who, other = Identity.of(PEOPLE[1]), Identity.of(PEOPLE[0])
    hers = {name: getattr(other, name) for name in ("hair", "style", "shirt", "background")}
    return _square(
        [draw(who, State(), SIDE), draw(other, POSE, SIDE), draw(replace(who, **hers), POSE, SIDE)]
    )


def sliders() -> np.ndarray:
    """Draw the same head with three lambdas of a smile."""
    states = (
        State.named((2.0, -6.0, 0.0), mouthFrownLeft=0.7, mouthFrownRight=0.7),
        State.named((2.0, -6.0, 0.0)),
        State.named((2.0, -6.0, 0.0), mouthSmileLeft=0.7, mouthSmileRight=0.7, jawOpen=0.15),
    )
    return _square([draw(Identity.of(PEOPLE[4]), state, SIDE) for state in states])


def restyled() -> np.ndarray:
    """Draw a skeleton, a preview in its pose, and the preview as a painting."""
    preview = draw(Identity.of(PEOPLE[1]), WINK, SIDE)
    painted = cv2.stylization(cv2.pyrMeanShiftFiltering(preview, 12, 30), sigma_s=40, sigma_r=0.5)
    return _square([skeleton(WINK), preview, painted])


def cleaned() -> np.ndarray:
    """Draw a clip's frame with faults, the reference portrait, and the frame without the faults."""
    who = Identity.of(PEOPLE[2])
    clean = draw(who, POSE, SIDE)
    noise = np.random.default_rng(1).normal(0, 22, clean.shape)
    torn = np.roll(cv2.GaussianBlur(clean, (0, 0), 2.2), 5, 1)
    torn[150:230] = np.roll(torn[150:230], -11, 1)
    faulty = np.clip(torn + noise, 0, 255).astype(np.uint8)
    return _square([draw(who, State(), SIDE), faulty, clean])


def alive() -> np.ndarray:
    """Draw a person, a skeleton, and the person in the skeleton's pose."""
    who = Identity.of(PEOPLE[0])
    person, held = (draw(who, state, SIDE) for state in (State(), POSE))
    return _square([person, skeleton(POSE), held])


def swept() -> np.ndarray:
    """Draw the same moment with three strengths of the drive."""
    who, strengths = Identity.of(PEOPLE[0]), (0.5, 1.0, 1.5)
    states = [
        replace(POSE, rotation=share * POSE.rotation, coefficients=(share * POSE.coefficients).clip(0, 1))
        for share in strengths
    ]
    return _square([draw(who, state, SIDE) for state in states])


def controlled() -> np.ndarray:
    """Draw a picture, its edges, and another picture along them."""
    who, other = Identity.of(PEOPLE[1]), Identity.of(PEOPLE[2])
    picture = draw(who, POSE, SIDE)
    lines = cv2.Canny(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), 60, 160)
    colours = {name: getattr(other, name) for name in ("skin", "hair", "shirt", "background")}
    return _square([picture, np.repeat(lines[..., None], 3, -1), draw(replace(who, **colours), POSE, SIDE)])


def identified() -> np.ndarray:
    """Draw a person, and the same person in another pose and place."""
    who = Identity.of(PEOPLE[3])
    elsewhere = replace(who, background=Identity.of(PEOPLE[0]).background)
    return _square([draw(who, State(), SIDE), draw(elsewhere, WINK, SIDE)])


def worded() -> np.ndarray:
    """Draw rows and columns of attention, and a head."""
    lines = np.full((SIDE, SIDE, 3), PAPER, np.uint8)
    for at in range(20, SIDE, 40):
        cv2.line(lines, (0, at), (SIDE, at), (63, 120, 158), 14, cv2.LINE_AA)
    for at in range(20, SIDE, 40):
        cv2.line(lines, (at, 0), (at, SIDE), (214, 137, 60), 8, cv2.LINE_AA)
    return _square([lines, draw(Identity.of(PEOPLE[2]), WINK, SIDE)])


OTHERS = {
    "try_it": tried,
    "portrait_sweep": swept,
    "portrait_expression": expression,
    "portrait_pair": pair,
    "portrait_film": film,
    "wplus_sliders": sliders,
    "freeanimate_restyle": restyled,
    "clip_cleanup": cleaned,
    "xdyna_video": alive,
    "controlnet_sk": controlled,
    "faceid_sk": identified,
    "sk_text": worded,
}


def skeleton(state: State) -> np.ndarray:
    """Draw neck, shoulders and arms in OpenPose's colours on black, tilted with the head, (SIDE, SIDE, 3)."""
    picture = np.zeros((SIDE, SIDE, 3), np.uint8)
    lean = np.array([0.5 * float(state.rotation[1]), 0.0])
    neck, (left, right) = np.array([150, 205]) + lean, (np.array([x, 225]) + lean / 2 for x in (78, 222))
    shoulders = (neck, left, (255, 0, 0)), (neck, right, (255, 85, 0))
    arms = (left, left + (-18, 95), (255, 170, 0)), (right, right + (18, 95), (85, 255, 0))
    for start, end, colour in (*shoulders, *arms):
        cv2.line(picture, *(tuple(int(x) for x in point) for point in (start, end)), colour, 9, cv2.LINE_AA)
    for point in (neck, left, right):
        cv2.circle(picture, tuple(int(x) for x in point), 8, (255, 255, 0), -1, cv2.LINE_AA)
    return picture


def _square(panels: list[np.ndarray]) -> np.ndarray:
    """Return the last picture (WHOLE, WHOLE, 3) with the others small in its lower left corner."""
    *before, after = panels
    whole = cv2.resize(after, (WHOLE, WHOLE), interpolation=cv2.INTER_CUBIC)
    for k, picture in enumerate(before):
        small = cv2.resize(picture, (SMALL, SMALL), interpolation=cv2.INTER_AREA)
        framed = cv2.copyMakeBorder(small, *[FRAME] * 4, cv2.BORDER_CONSTANT, value=PAPER)
        x, y = GAP + k * (SMALL + 2 * FRAME + GAP), WHOLE - GAP - len(framed)
        whole[y : y + len(framed), x : x + len(framed)] = framed
    return whole


def banner() -> np.ndarray:
    """Draw a row of heads with the same expression, (260, 1300, 3)."""
    return np.concatenate([draw(Identity.of(seed), POSE, 260) for seed in PEOPLE], 1)


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python run.py pictures thumbnails", description=__doc__)
    parser.add_argument("--output", type=Path, default=ROOT, help="instead of the repository")
    root = parser.parse_args(argv).output
    pictures = {f"workflows/{name}.jpg": acted(k) for k, name in enumerate(ACTED)}
    pictures |= {f"workflows/{name}.jpg": drawn() for name, drawn in OTHERS.items()}
    pictures |= {
        "web/pictures/icon.png": draw(Identity.of(PEOPLE[3]), POSE, 256),
        "web/pictures/banner.jpg": banner(),
    }
    for name, picture in pictures.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 88])
        print(path)
    return 0
