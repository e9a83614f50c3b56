"""The task "decoder": the decoder learns to convert latents that the trained networks sample into the
corresponding drawings.

Sampled latents are softer than encoded ones. The encoder is frozen, so the latents that the other
networks know do not change.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from ...face_tools.atomic_write import written
from ..contact_sheet import contact_sheet
from ..loop import to_device
from ..objective import Batch
from ..portraits import Pairs, Pick
from .autoencoder import TinyAutoencoder
from .footage import PAIRS
from .half_precision import half_precision
from .picture_loss import PictureLoss
from .reconstruct import stacked

STEPS, GUIDANCE = 3, 2.25  # of the sampled latents: the timesteps of four steps of Euler without its last
FILES = 27  # files of drawings whose people are sampled
TOGETHER = 8  # people in a batch
ENCODED = 0.25  # share of encoded latents, for which the decoder was made
SHOWN = 12  # pictures on a sheet


class Example(NamedTuple):
    """A picture of a file, and whether its latent is encoded instead of sampled."""

    file: int
    row: int
    encoded: bool


class Decoding(nn.Module):
    """The decoder's loss for (B, 4, h, w) latents, (B, 3, H, W) pictures in 0..1 and (B, 1, H, W) masks of
    eyes and mouth.
    """

    def __init__(self, decoder: nn.Module, compare: PictureLoss):
        super().__init__()
        self.decoder, self.compare = decoder, compare

    def forward(self, batch: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        latents, pictures, marks = batch
        with half_precision(pictures):
            decoded = self.decoder(latents)
        return self.compare(decoded.float(), pictures, marks)


class Decodings:
    """Sampled and encoded latents of drawings.

    files, samples: drawings, and the latents that `sample` wrote for them; compare: the loss
    """

    name, unused = "decoder", ()

    def __init__(
        self,
        autoencoder: TinyAutoencoder,
        files: Sequence[Path],
        samples: Sequence[Path],
        compare: PictureLoss,
    ):
        self.data = [(dict(np.load(drawn)), dict(np.load(made))) for drawn, made in zip(files, samples)]
        self.autoencoder = autoencoder
        decoder = autoencoder.taesd_decoder.to(memory_format=torch.channels_last)
        self.network = Decoding(decoder, compare.to(memory_format=torch.channels_last))
        self.trained = {"decoder": decoder}

    def choose(self, draw: np.random.Generator, count: int) -> list[Example]:
        rows = len(self.data[0][1]["rows"])
        return [
            Example(
                int(draw.integers(len(self.data))), int(draw.integers(rows)), bool(draw.random() < ENCODED)
            )
            for _ in range(count)
        ]

    def collate(self, picks: Sequence[Example]) -> tuple[Tensor, Tensor, Tensor]:
        latents, pictures, marks = [], [], []
        for file, row, encoded in picks:
            drawn, made = self.data[file]
            latents.append(torch.from_numpy(made["encoded" if encoded else "sampled"][row]))
            pictures.append(torch.from_numpy(drawn["pictures"][made["rows"][row]]))
            marks.append(torch.from_numpy(drawn["mask"][made["rows"][row]]))
        z = torch.stack(latents).float().contiguous(memory_format=torch.channels_last)
        return z, *stacked(pictures, marks)

    def sheet(self) -> np.ndarray:
        """Draw some drawings, their encoded latents decoded, and their sampled latents decoded."""
        shown = range(min(SHOWN, len(self.data[0][1]["rows"])))
        rows = [self.collate([Example(0, row, encoded) for row in shown]) for encoded in (True, False)]
        return contact_sheet([rows[0][1], *(self.autoencoder.decode(z) for z, *_ in rows)])


def sample(folder: Path, files: Sequence[Path], pairs: Pairs, tell: Callable[[str], None]) -> list[Path]:
    """Sample every person of the first FILES files, the first frame of each as the portrait.

    Returns files of latents, one per file of drawings: `sampled` and `encoded` (N, 4, h, w), and `rows` (N,), their
    pictures in the file. Existing files are kept.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / path.name for path in files[:FILES]]
    for number, path in enumerate(paths):
        if path.exists():
            continue
        people = range(number * PAIRS.in_file, (number + 1) * PAIRS.in_file)
        batches = [_all_frames(pairs, people[k : k + TOGETHER]) for k in range(0, len(people), TOGETHER)]
        device = next(pairs.objective.parameters()).device
        sampled = [
            pairs.objective.sample(to_device(batch, device), STEPS, GUIDANCE).cpu() for batch in batches
        ]
        rows = np.arange(PAIRS.in_file * PAIRS.frames).reshape(-1, PAIRS.frames)[:, 1:]
        with written(path) as file:
            np.savez(
                file,
                sampled=torch.cat(sampled).half().numpy(),
                encoded=torch.cat([batch.latents for batch in batches]).half().numpy(),
                rows=rows.ravel(),
            )
        tell(f"sampled   {path.stem}")
    return paths


def _all_frames(pairs: Pairs, people: Sequence[int]) -> Batch:
    """Return one batch of all frames of some people, with all conditions."""
    targets = tuple(range(1, PAIRS.frames))
    batch = pairs.batch([Pick(person, 0, targets, person) for person in people])
    return replace(batch, dropped=torch.zeros_like(batch.dropped))
