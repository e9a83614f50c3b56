"""Warm-up (task "rehearsal"): trains the drive encoder alone, before it is trained together with the base.

The effect of a coefficient is small and hidden by noise. With the diffusion loss alone an encoder learns the
head pose soon and a smile late. In the warm-up it predicts, without noise, the latents of one plain person in
each state. The heads that read its features are discarded afterwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...sk_attention.drive import Expression
from ...sk_attention.drive_encoders import COEFFICIENTS
from ...unet.clip.fit import CELL
from ..data import Clips, pictures_of

# Channels of a latent; side of the smallest feature, in feature pixels, that can represent a face.
CHANNELS, COARSEST = 4, 4


class Place(NamedTuple):
    """A frame of a clip."""

    clip: int
    frame: int


class WarmedUp(nn.Module):
    """The loss of predicting the latent from a drive encoder's features at each block boundary.

    Inputs: pictures (B, 3, H, W), coefficients (B, 51), latents (B,
    4, h, w), mask (B, 1, h, w) of eyes and mouth
    """

    def __init__(self, drive: nn.Module, size: int):
        super().__init__()
        self.drive = drive
        with torch.no_grad():
            features = drive(
                torch.zeros(1, 3, size, size), Expression.without_patches(torch.zeros(1, COEFFICIENTS))
            )
        wide = {name: feature for name, feature in features.items() if feature.shape[-1] >= COARSEST}
        self.heads = nn.ModuleDict(
            {
                name: nn.Conv2d(x.shape[1], CHANNELS * (size // CELL // x.shape[-1]) ** 2, 1)
                for name, x in wide.items()
            }
        )

    def answers(self, pictures: Tensor, coefficients: Tensor, cells: int) -> dict[str, Tensor]:
        """Return {block boundary: (B, 4, cells, cells)} predicted latents."""
        features = self.drive(pictures, Expression.without_patches(coefficients))
        return {
            name: F.pixel_shuffle(head(features[name]), cells // features[name].shape[-1])
            for name, head in self.heads.items()
        }

    def forward(self, batch: tuple[Tensor, Tensor, Tensor, Tensor]) -> Tensor:
        pictures, coefficients, latents, mask = batch
        total = latents.new_zeros(())
        for answer in self.answers(pictures, coefficients, latents.shape[-1]).values():
            e = (answer - latents) ** 2
            total = total + e.mean() + (e * mask).sum() / (mask.sum() * CHANNELS).clamp(min=1)
        return total


class WarmUp:
    """The task: frames of clips of one person."""

    name, unused = "rehearsal", ()

    def __init__(self, clips: Clips, drive: nn.Module):
        self.clips, self.drive = clips, drive
        self.network = WarmedUp(drive, clips.size)
        self.trained = {"drive": drive, "heads": self.network.heads}

    def choose(self, draw: np.random.Generator, count: int) -> list[Place]:
        return [
            Place(int(k), int(draw.integers(self.clips.length(int(k)))))
            for k in draw.choice(len(self.clips), count)
        ]

    def collate(self, picks: Sequence[Place]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        rows = [self.clips.frames(pick.clip, (pick.frame,)) for pick in picks]
        row = {name: torch.cat([found[name] for found in rows]) for name in rows[0]}
        pictures = pictures_of(row["rotation"], row["translation"], self.clips.size)
        return pictures, row["coefficients"], row["latents"], row["mask"][:, None]

    def sheet(self) -> None:
        """Return None: the losses suffice."""
