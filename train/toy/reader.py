"""The task "reader": a small network learns to read from a drawing who it shows, and in which state.

Its feature maps are the measure of the perceptual loss (`picture_loss.py`): it learned to see glasses, lips and
beards, however few pixels they have. It is not the probe of the benches, which has its own layers and training.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...drawn_heads import Identity
from ...drawn_heads.attributes import COUNT, attributes
from ...face_tools.coefficients import ARKIT_51
from .footage import PAIRS, SIZE

LEVELS = ((24, 24), (48, 48), (64,), (96,))  # channels of the layers of each level; a level halves the size
HIDDEN, GROUPS = 256, 8
POSE = 6  # rotation and translation
VALUES = COUNT + POSE + len(ARKIT_51)  # that are read


class Reader(nn.Module):
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

    def features(self, pictures: Tensor) -> list[Tensor]:
        """Return the feature maps of (B, 3, 128, 128) pictures: (B, C, 64, 64) to (B, C, 8, 8)."""
        maps = [pictures - 0.5]
        for level in self.levels:
            maps.append(level(maps[-1]))
        return maps[1:]

    def forward(self, pictures: Tensor) -> Tensor:
        return self.head(self.features(pictures)[-1])


class Reading(nn.Module):
    """The reader's loss on pictures (B, 3, 128, 128) in 0..1 and their values (B, VALUES)."""

    def __init__(self, reader: Reader):
        super().__init__()
        self.reader = reader

    def forward(self, batch: tuple[Tensor, Tensor]) -> Tensor:
        pictures, wanted = batch
        with torch.autocast(pictures.device.type, torch.bfloat16):  # half the time, on CPUs too
            read = self.reader(pictures)
        return F.smooth_l1_loss(read.float(), wanted)


class Shown(NamedTuple):
    """A picture of a file."""

    file: int
    row: int


class Readings:
    """Training task of the reader: the drawings in `files`, those of `PAIRS`, with what they show."""

    name, unused = "reader", ()

    def __init__(self, reader: Reader, files: Sequence[Path]):
        loaded = [dict(np.load(path)) for path in files]
        self.pictures = [drawn["pictures"] for drawn in loaded]
        self.values = _standardised([_values(number, drawn) for number, drawn in enumerate(loaded)])
        self.network = Reading(reader.to(memory_format=torch.channels_last))
        self.trained = {"reader": reader}

    def choose(self, draw: np.random.Generator, count: int) -> list[Shown]:
        rows = len(self.pictures[0])
        return [Shown(int(draw.integers(len(self.pictures))), int(draw.integers(rows))) for _ in range(count)]

    def collate(self, picks: Sequence[Shown]) -> tuple[Tensor, Tensor]:
        pictures = torch.from_numpy(np.stack([self.pictures[file][row] for file, row in picks]))
        wanted = torch.from_numpy(np.stack([self.values[file][row] for file, row in picks]))
        x = pictures.movedim(-1, 1).float() / 255
        return x.contiguous(memory_format=torch.channels_last), wanted

    def sheet(self) -> None:
        """A reader makes no pictures."""


def _values(number: int, drawn: dict[str, np.ndarray]) -> np.ndarray:
    """Return what the pictures of a file show, (N, VALUES)."""
    first = PAIRS.first + number * PAIRS.in_file
    people = len(drawn["pictures"]) // PAIRS.frames
    who = np.repeat([attributes(Identity.of(first + k)) for k in range(people)], PAIRS.frames, axis=0)
    return np.concatenate([who, drawn["rotation"], drawn["translation"], drawn["coefficients"]], 1)


def _standardised(values: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Return the values with mean 0 and standard deviation 1; values that are always the same are 0."""
    rows = np.concatenate(values)
    mean, spread = rows.mean(0), rows.std(0)
    unit = np.divide(1, spread, out=np.zeros_like(spread), where=spread > 1e-3)
    return [np.float32((part - mean) * unit) for part in values]
