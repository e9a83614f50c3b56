"""The task "autoencoder": crops of drawings, encoded and decoded."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..contact_sheet import contact_sheet
from .autoencoder import TinyAutoencoder
from .footage import SIZE
from .half_precision import half_precision

CROP = 64  # pixels of the training crops
NOISE = 0.05  # standard deviation of noise on latents, so that similar latents decode to similar pictures
SHOWN, APART = 8, 4  # drawings on a sheet, and the step between their frames


class Cut(NamedTuple):
    """A crop of a drawing, in latent pixels, optionally mirrored."""

    file: int
    row: int
    top: int
    left: int
    mirrored: bool
    seed: int


def stacked(pictures: Sequence[Tensor], marks: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Return (B, 3, H, W) pictures and (B, 1, H, W) masks, both in 0..1, of (H, W, 3) uint8 pictures and
    (H/8, W/8) uint8 masks.
    """
    x = torch.stack(pictures).movedim(-1, 1).float() / 255
    m = F.interpolate(torch.stack(marks)[:, None].float() / 255, scale_factor=8, mode="bilinear")
    return x.contiguous(memory_format=torch.channels_last), m


class Reconstruction(nn.Module):
    """The autoencoder's loss on (B, 3, H, W) pictures in 0..1 and (B, 1, H, W) masks of eyes and mouth."""

    def __init__(self, autoencoder: TinyAutoencoder):
        super().__init__()
        self.autoencoder = autoencoder

    def forward(self, batch: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        pictures, marks, noise = batch
        with half_precision(pictures):
            latents = self.autoencoder.encode(pictures)
            back = self.autoencoder.decode(latents + NOISE * noise.to(latents))
        off = back.float() - pictures
        spread = latents.float().std((0, 2, 3)), latents.float().mean((0, 2, 3))
        # The noise schedule assumes latents of unit standard deviation.
        unit = ((spread[0] - 1) ** 2 + spread[1] ** 2).mean()
        return ((off.abs() + 4 * off**2) * (1 + 3 * marks)).mean() + 0.02 * unit


class Reconstructions:
    """Training task of the autoencoder: random crops of the drawings in `files`."""

    name, unused = "autoencoder", ()

    def __init__(self, autoencoder: TinyAutoencoder, files: Sequence[Path]):
        self.data = [(loaded["pictures"], loaded["mask"]) for loaded in map(np.load, files)]
        # AMX and the convolutions of most CPUs are faster with channels last: half the time here.
        self.network = Reconstruction(autoencoder.to(memory_format=torch.channels_last))
        self.trained = {"autoencoder": autoencoder}

    def choose(self, draw: np.random.Generator, count: int) -> list[Cut]:
        places = (SIZE - CROP) // 8 + 1
        rows = len(self.data[0][0])
        return [
            Cut(
                int(draw.integers(len(self.data))), int(draw.integers(rows)), *map(int, draw.integers(places, size=2)),
                bool(draw.random() < 0.5), int(draw.integers(1 << 62)),
            )
            for _ in range(count)
        ]  # fmt: skip

    def collate(self, picks: Sequence[Cut]) -> tuple[Tensor, Tensor, Tensor]:
        pictures, marks, noise = [], [], []
        for cut in picks:
            picture, mask = (source[cut.row] for source in self.data[cut.file])
            picture = picture[cut.top * 8 : cut.top * 8 + CROP, cut.left * 8 : cut.left * 8 + CROP]
            mask = mask[cut.top : cut.top + CROP // 8, cut.left : cut.left + CROP // 8]
            turn = slice(None, None, -1) if cut.mirrored else slice(None)
            pictures.append(torch.from_numpy(np.ascontiguousarray(picture[:, turn])))
            marks.append(torch.from_numpy(np.ascontiguousarray(mask[:, turn])))
            noise.append(
                torch.randn(4, CROP // 8, CROP // 8, generator=torch.Generator().manual_seed(cut.seed))
            )
        return *stacked(pictures, marks), torch.stack(noise)

    def sheet(self) -> np.ndarray:
        """Draw some pictures and their reconstructions."""
        x = torch.from_numpy(self.data[0][0][: SHOWN * APART : APART]).movedim(-1, 1).float() / 255
        autoencoder = self.network.autoencoder
        return contact_sheet([x, autoencoder.decode(autoencoder.encode(x))])
