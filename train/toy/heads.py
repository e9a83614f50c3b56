"""The task of the joint stage: pairs of drawings, with a loss on latents and one on decoded pictures.

A latent says little of thin lines, such as those of glasses: the error of the latents hardly counts them, and
that of the pictures does.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from .. import noise as schedule
from ..objective import Batch, Objective
from ..portraits import Draws, Pairs, Pick
from .footage import PAIRS, identity_of
from .half_precision import half_precision
from .picture_loss import PictureLoss
from .reconstruct import stacked

GLASSES, LONG_HAIR = 3.0, 2.0  # how much more often such people are drawn, because they are harder to learn


class PicturedObjective(nn.Module):
    """The loss of `Objective`, plus that of the decoded pictures of each portrait's first target. Portraits whose
    conditions are dropped add nothing to the latter.
    """

    def __init__(self, objective: Objective, decoder: nn.Module, compare: PictureLoss):
        super().__init__()
        self.objective, self.decoder, self.compare = objective, decoder, compare

    def forward(self, given: tuple[Batch, Tensor, Tensor]) -> Tensor:
        batch, pictures, marks = given
        noisy, answer, loss = self.objective.outputs_and_loss(batch)
        kept = ~batch.dropped
        if not kept.any():
            return loss
        clean, _ = schedule.clean(self.objective.target, noisy, answer, batch.timesteps)
        first = clean.unflatten(0, (len(kept), -1))[kept, 0]
        with half_precision(pictures):
            decoded = self.decoder(first.contiguous(memory_format=torch.channels_last))
        share = kept.float().mean()  # so that the loss stays a mean over samples
        return loss + share * self.compare(decoded.float(), pictures[kept], marks[kept])


class Heads(Pairs):
    """Pairs of drawings. One pass over a portrait serves all other pictures of the person, each with its own
    noise level.

    files: the drawings of all clips; decoder: decodes the predicted latents, and is not trained
    """

    # Few steps of sampling serve the toy model best, and they begin with noise.
    draws = Draws(any_strength=True, mostly_noise=0.5)

    def __init__(self, *args, files: Sequence[Path], decoder: nn.Module, compare: PictureLoss, **options):
        super().__init__(*args, **options)
        self.network = PicturedObjective(
            self.objective,
            decoder.to(memory_format=torch.channels_last),
            compare.to(memory_format=torch.channels_last),
        )
        self.drawings = {path.stem: _pictures_and_masks(path) for path in files}
        weights = np.array([_weight(self.clips.name(clip)) for clip in self.usable])
        self.shares = weights / weights.sum()

    def choose(self, draw: np.random.Generator, count: int) -> list[Pick]:
        picks = []
        clips = draw.choice(self.usable, count, p=self.shares)
        for clip, seed in zip(clips, draw.integers(1 << 62, size=count)):
            order = draw.permutation(PAIRS.frames)
            picks.append(Pick(int(clip), int(order[0]), tuple(map(int, order[1:])), int(seed)))
        return picks

    def collate(self, picks: Sequence[Pick]) -> tuple[Batch, Tensor, Tensor]:
        pictures, marks = [], []
        for pick in picks:
            stem, number = self.clips.name(pick.clip).split("/")
            row = int(number) * PAIRS.frames + pick.targets[0]
            picture, mask = (torch.from_numpy(drawn[row]) for drawn in self.drawings[stem])
            pictures.append(picture)
            marks.append(mask)
        return self.batch(picks), *stacked(pictures, marks)


def _pictures_and_masks(path: Path) -> tuple[np.ndarray, np.ndarray]:
    drawn = np.load(path)
    return drawn["pictures"], drawn["mask"]


def _weight(name: str) -> float:
    who = identity_of(name)
    if who.glasses != "none":
        return GLASSES
    return LONG_HAIR if who.style in ("long", "bun") else 1.0
