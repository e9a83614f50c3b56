"""The task "features": a small network learns to read person and state from a drawing.

The perceptual loss (`picture_loss.py`) compares its feature maps. They show glasses, lips and beards, however few
pixels these have. The probe of the benches is another network, with its own layers and training.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...drawn_heads.attributes import COUNT
from ...face_tools.coefficients import ARKIT_51
from .footage import SIZE, attributes_in
from .half_precision import half_precision

LEVELS = ((24, 24), (48, 48), (64,), (96,))  # channels of the layers of each level; a level halves the size
HIDDEN, GROUPS = 256, 8
POSE = 6  # rotation and translation
VALUES = COUNT + POSE + len(ARKIT_51)  # read from a picture


class FeatureNetwork(nn.Module):
    """Reads (B, VALUES) standardised values from (B, 3, 128, 128) pictures in 0..1."""

    def __init__(self):
        super().__init__()
        levels, width = [], 3
        for widths in LEVELS:
            layers = []
            for number, wide in enumerate(widths):
                layers += [
                    nn.Conv2d(width, wide, 3, 1 if number else 2, 1, bias=False),
                    nn.GroupNorm(GROUPS, wide),
                    nn.ReLU(inplace=True),
                ]
                width = wide
            levels.append(nn.Sequential(*layers))
        self.levels = nn.ModuleList(levels)
        cells = (SIZE >> len(LEVELS)) ** 2
        self.head = nn.Sequential(
            nn.Flatten(), nn.Linear(width * cells, HIDDEN), nn.ReLU(inplace=True), nn.Linear(HIDDEN, VALUES)
        )

    def maps(self, pictures: Tensor) -> list[Tensor]:
        """Return the feature maps of (B, 3, 128, 128) pictures: (B, C, 64, 64) to (B, C, 8, 8)."""
        maps = [pictures - 0.5]
        for level in self.levels:
            maps.append(level(maps[-1]))
        return maps[1:]

    def forward(self, pictures: Tensor) -> Tensor:
        return self.head(self.maps(pictures)[-1])


class ReadingError(nn.Module):
    """The feature network's loss on pictures (B, 3, 128, 128) in 0..1 and their values (B, VALUES)."""

    def __init__(self, features: FeatureNetwork):
        super().__init__()
        self.features = features

    def forward(self, batch: tuple[Tensor, Tensor]) -> Tensor:
        pictures, wanted = batch
        with half_precision(pictures):
            read = self.features(pictures)
        return F.smooth_l1_loss(read.float(), wanted)


class Drawing(NamedTuple):
    """A picture of a file."""

    file: int
    row: int


class Lessons:
    """Training task of the feature network: the drawings in `files` with their attributes and states."""

    name, unused = "features", ()

    def __init__(self, features: FeatureNetwork, files: Sequence[Path]):
        loaded = [dict(np.load(path)) for path in files]
        self.pictures = [drawn["pictures"] for drawn in loaded]
        self.values = _standardised([_values(path.stem, drawn) for path, drawn in zip(files, loaded)])
        self.network = ReadingError(features.to(memory_format=torch.channels_last))
        self.trained = {"features": features}

    def choose(self, draw: np.random.Generator, count: int) -> list[Drawing]:
        rows = len(self.pictures[0])
        return [
            Drawing(int(draw.integers(len(self.pictures))), int(draw.integers(rows))) for _ in range(count)
        ]

    def collate(self, picks: Sequence[Drawing]) -> tuple[Tensor, Tensor]:
        pictures = torch.from_numpy(np.stack([self.pictures[file][row] for file, row in picks]))
        wanted = torch.from_numpy(np.stack([self.values[file][row] for file, row in picks]))
        x = pictures.movedim(-1, 1).float() / 255
        return x.contiguous(memory_format=torch.channels_last), wanted

    def sheet(self) -> None:
        """The network makes no pictures."""


def _values(stem: str, drawn: dict[str, np.ndarray]) -> np.ndarray:
    """Return attributes and states of the pictures of a file, (N, VALUES)."""
    who = attributes_in(stem, len(drawn["pictures"]))
    return np.concatenate([who, drawn["rotation"], drawn["translation"], drawn["coefficients"]], 1)


def _standardised(values: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Return the values with mean 0 and standard deviation 1; values that are always the same are 0."""
    rows = np.concatenate(values)
    mean, spread = rows.mean(0), rows.std(0)
    unit = np.divide(1, spread, out=np.zeros_like(spread), where=spread > 1e-3)
    return [np.float32((part - mean) * unit) for part in values]
