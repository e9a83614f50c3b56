"""The test set of `bench drawn_heads`: unseen synthetic people, their generators, and an evaluator."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

import numpy as np

from ...demo.toy_model import SIZE, SamplingOptions, World
from ...drawn_heads import Identity, State, clip, draw, states_of, truth
from ...face_tools.comparison.curves import gain
from ...face_tools.comparison.pixels import psnr, ssim
from ...face_tools.pictures.head_pose_raster import draw_box
from ...face_tools.track import FaceTrack
from ...train.toy.footage import PAIRS
from . import probe
from .probe import HELD_OUT

Pictures = list[np.ndarray]  # each (128, 128, 3) uint8
EXACT = 60.0  # dB for a picture that equals the drawing, so that the mean stays finite


@dataclass(frozen=True)
class Scene:
    """One person, a portrait of them, and the states of a motion that they should follow."""

    who: Identity
    portrait: np.ndarray
    states: list[State]

    @property
    def asked(self) -> FaceTrack:
        return truth(self.who, self.states, SIZE)

    @cached_property
    def drawn(self) -> Pictures:
        return [draw(self.who, state, SIZE) for state in self.states]


def scenes(count: int, moments: int, own: bool = False, first: int = HELD_OUT) -> list[Scene]:
    """Return people and motions outside the training data, from seed `first`
    on, with states two and a half seconds apart.

    own: the portrait is a frame of the same motion (self reenactment),
    else a relaxed face that is not in the motion
    """
    result = []
    for seed in range(first, first + count):
        who, states = Identity.of(seed), clip(seed, moments + own, PAIRS.fps)
        result.append(Scene(who, draw(who, states[0] if own else State(), SIZE), states[own:]))
    return result


@dataclass(frozen=True)
class Score:
    """Scores of pictures for given states: APD degrees, AED, share found in the gallery, PSNR dB, SSIM."""

    apd: float
    aed: float
    found: float
    psnr: float
    ssim: float
    reading: probe.Reading = field(repr=False)

    def words(self) -> str:
        return f"APD {self.apd:5.2f}  AED {self.aed:.3f}  identity {100 * self.found:3.0f} %  PSNR {self.psnr:5.2f}  SSIM {self.ssim:.3f}"


class Evaluator:
    """Reads the pictures of all scenes, a list per scene, and compares them with true states and drawings.

    gallery: number of people, from seed `first` on
    """

    def __init__(self, scenes: Sequence[Scene], gallery: int, first: int = HELD_OUT):
        self.network, self.scenes = probe.load(), scenes
        people = [draw(Identity.of(seed), State(), SIZE) for seed in range(first, first + gallery)]
        self.gallery = probe.read(self.network, people).who
        self.drawn = [scene.drawn for scene in scenes]
        self.states = [state for scene in scenes for state in scene.states]

    def __call__(self, pictures: list[Pictures]) -> Score:
        flat, drawn = ([p for row in rows for p in row] for rows in (pictures, self.drawn))
        reading = probe.read(self.network, flat)
        wrong = probe.error(reading, self.states)
        owner = np.repeat(np.arange(len(pictures)), [len(row) for row in pictures])
        found = float((probe.nearest(reading.who, self.gallery) == owner).mean())
        close = [min(psnr(a, b), EXACT) for a, b in zip(flat, drawn)]
        alike = [ssim(a, b) for a, b in zip(flat, drawn)]
        return Score(wrong.apd, wrong.aed, found, float(np.mean(close)), float(np.mean(alike)), reading)

    def amplitude(self, score: Score) -> float:
        """Return the amplitude of the heads' turns relative to the requested ones.

        It is the slope of yaw and pitch, as read, over the
        requested values, both relative to each person's mean.
        """
        asked = self._about_mean(np.degrees([s.rotation[:2] for s in self.states]))
        return gain(asked, self._about_mean(score.reading.degrees[:, :2]))

    def _about_mean(self, values: np.ndarray) -> np.ndarray:
        """Return values (F, n) of all scenes minus each scene's mean, flattened."""
        rows = values.reshape(len(self.scenes), -1, values.shape[1])
        return (rows - rows.mean(1, keepdims=True)).ravel()

    def likeness(self, score: Score) -> float:
        """Return the likeness, as `probe.likeness`, from everything that is read of a head."""
        return probe.likeness(score.reading.who, self.gallery, len(self.scenes))


class Generator(Protocol):
    """Makes a scene's person follow a track with some options."""

    def __call__(self, scene: Scene, track: FaceTrack, options: SamplingOptions) -> Pictures: ...


def sampling(world: World) -> Generator:
    """Return the toy model as a generator, on the diffusers backend."""

    def act(scene: Scene, track: FaceTrack, options: SamplingOptions) -> Pictures:
        boxes = [
            draw_box(turn, place, (SIZE, SIZE)) for turn, place in zip(track.rotation, track.translation)
        ]
        return world.act(scene.portrait, world.encode_drive(track, boxes), options)

    return act


def drawing(scene: Scene, track: FaceTrack, options: SamplingOptions) -> Pictures:
    """Draw a perfect result: strengths interpolate, and without a reference another person is drawn."""
    states = states_of(
        track.replace(
            rotation=options.drive * track.rotation,
            coefficients=np.clip(options.drive * track.coefficients, 0, 1),
        )
    )
    own, stranger = ([draw(who, state, SIZE) for state in states] for who in (scene.who, Identity.of(0)))
    share = min(options.reference, 1.0)
    return [(share * a + (1 - share) * b).astype(np.uint8) for a, b in zip(own, stranger)]


def copying(scene: Scene, track: FaceTrack, options: SamplingOptions) -> Pictures:
    """Return copies of the portrait."""
    return [scene.portrait] * len(track)


Act = Callable[..., Score]


def on_test_set(generator: Generator, evaluator: Evaluator, usual: SamplingOptions) -> Act:
    """Return a function that generates every scene and scores the result.

    Its arguments are `change(track)`, which returns the track that the generator
    gets instead of the true one, and the options.
    """

    def act(
        change: Callable[[FaceTrack], FaceTrack] = lambda track: track, options: SamplingOptions = usual
    ) -> Score:
        return evaluator([generator(scene, change(scene.asked), options) for scene in evaluator.scenes])

    return act
