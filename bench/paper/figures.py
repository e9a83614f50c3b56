"""Figures of one arm on people outside the training data: loss, PSNR, SSIM, FID,
similarity, and the share of a style that is left.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
import torch
from torch import Tensor

from ...demo.toy_model import World
from ...drawn_heads import Identity, State, draw
from ...face_tools.comparison.pixels import psnr, ssim
from ...train import noise as schedule
from ...train.objective import Objective, loss
from ...train.toy.footage import SIZE
from ..quality import probe
from ..quality.probe import HELD_OUT
from ..quality.test_set import Pictures, Scene
from .arms import Arm
from .people import Batch, People

GALLERY, PART = 60, 16  # people whose mean is the origin of similarity; pictures sampled at once
LEVELS = (200, 500, 800)  # timesteps at which the loss is measured


@dataclass(frozen=True)
class Figures:
    """loss: of the velocity, mean over LEVELS; similarity: cosine of the identities that the probe reads,
    -1..1, 0 = an average person.
    """

    loss: float
    psnr: float
    ssim: float
    fid: float
    similarity: float

    def numbers(self) -> dict[str, float]:
        return asdict(self)


class Evaluator:
    """Measures figures over the scenes of a test set, always with the same noise."""

    def __init__(self, world: World, stage: Sequence[Scene], people: People, steps: int):
        self.world, self.people, self.steps = world, people, steps
        self.drawn: Pictures = [picture for scene in stage for picture in scene.drawn]
        self.probe = probe.load()
        gallery = [draw(Identity.of(HELD_OUT + k), State(), SIZE) for k in range(GALLERY)]
        self.middle = probe.read(self.probe, gallery).who.mean(0)
        self.truth = probe.read(self.probe, self.drawn)

    def batches(self) -> list[Batch]:
        draw = torch.Generator().manual_seed(0)
        count = len(self.people)
        rows = [range(first, min(first + PART, count)) for first in range(0, count, PART)]
        return [self.people.batch(part, draw, dropout=0.0) for part in rows]

    @torch.no_grad()
    def pictures(self, arm: Arm) -> Pictures:
        """Return the pictures of every scene that an arm draws in
        `steps` deterministic steps without guidance.
        """
        objective = Objective(arm, "v")
        return [
            p for batch in self.batches() for p in self.world.enlarge(objective.sample(batch, self.steps))
        ]

    def __call__(self, arm: Arm) -> Figures:
        return self.of(self.pictures(arm), self.loss(arm))

    def of(self, pictures: Pictures, wrong: float = float("nan")) -> Figures:
        """Return the figures of pictures, one per scene."""
        reading = probe.read(self.probe, pictures)
        return Figures(
            wrong,
            float(np.mean([min(psnr(a, b), 60.0) for a, b in zip(pictures, self.drawn)])),
            float(np.mean([ssim(a, b) for a, b in zip(pictures, self.drawn)])),
            frechet(_features(reading), _features(self.truth)),
            self.similarity(reading.who),
        )

    def similarity(self, who: np.ndarray) -> float:
        """Return the mean cosine between identities (F, n) and the
        true ones, both relative to the gallery's mean.
        """
        a, b = who - self.middle, self.truth.who - self.middle
        return float(((a * b).sum(1) / (np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1))).mean())

    @torch.no_grad()
    def loss(self, arm: Arm) -> float:
        """Return the training loss, averaged over LEVELS and scenes."""
        found = []
        for batch in self.batches():
            for level in LEVELS:
                at = torch.full_like(batch.timesteps, level)
                noisy = schedule.noised(batch.latents, batch.noise, at)
                wanted = schedule.target("v", batch.latents, batch.noise, at)
                found.append(float(loss(arm(noisy, at, batch), wanted, batch.mask, at)) * len(noisy))
        return sum(found) / len(LEVELS) / len(self.people)


def _features(reading: probe.Reading) -> np.ndarray:
    """Return features (F, 53): pose in units of about one deviation,
    coefficients, identity in units of the probe's own error.
    """
    return np.concatenate([reading.degrees / 15, reading.coefficients, reading.who / 4], 1)


def frechet(a: np.ndarray, b: np.ndarray) -> float:
    """Return the Frechet distance of two Gaussians with the means and covariances of features (F, n)."""
    mean = float(((a.mean(0) - b.mean(0)) ** 2).sum())
    one, other = (np.cov(x, rowvar=False) for x in (a, b))
    roots = np.sqrt(np.linalg.eigvals(one @ other).real.clip(0)).sum()
    return mean + float(np.trace(one) + np.trace(other) - 2 * roots)


def style_left(seen: Tensor, plain: Tensor, styled: Tensor) -> float:
    """Return the share of a style in features: 0 = as the plain
    base, 1 = as the restyled base without the arm.
    """
    return 1 - ((seen - styled).norm() / (plain - styled).norm()).item()
