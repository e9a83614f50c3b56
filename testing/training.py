"""Small data, networks and runs for the tests of the trainer.

Run as a program, it does one run with several processes.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

import numpy as np
import torch
from torch import nn

RATES = (2e-3, 1e-4)


def write_clips(folder: Path, clips: int = 2, frames: int = 3, base: str = "base") -> Path:
    """Write shards of random frames of 16 x 16 latent pixels."""
    from sk_portrait.train.data import ShardWriter

    draw = torch.Generator().manual_seed(3)
    with ShardWriter(folder, 128, base) as shards:
        for clip in range(clips):
            tensors = {
                "latents": torch.randn(frames, 4, 16, 16, generator=draw).half(),
                "rotation": torch.rand(frames, 3, generator=draw) / 2,
                "translation": torch.tensor([0.0, 0.0, -2.8]).expand(frames, 3),
                "coefficients": torch.rand(frames, 51, generator=draw),
                "patches": torch.randn(frames, 3, 1024, generator=draw).half(),
                "mask": torch.randint(0, 256, (frames, 16, 16), generator=draw, dtype=torch.uint8),
            }
            shards.add(f"clip {clip}", tensors)
    return folder


class Line:
    """The smallest task: a linear layer that learns to double numbers."""

    name, unused = "line", ()

    def __init__(self):
        torch.manual_seed(0)
        layer = nn.Linear(3, 3)
        self.network, self.trained = Doubling(layer), {"layer": layer}

    def choose(self, draw: np.random.Generator, count: int) -> list[int]:
        return [int(seed) for seed in draw.integers(1 << 62, size=count)]

    def collate(self, picks) -> tuple[torch.Tensor]:
        return (
            torch.stack([torch.randn(3, generator=torch.Generator().manual_seed(seed)) for seed in picks]),
        )

    def sheet(self):
        return np.zeros((8, 8, 3), np.uint8)


class Doubling(nn.Module):
    def __init__(self, layer: nn.Module):
        super().__init__()
        self.layer = layer

    def forward(self, batch: tuple[torch.Tensor]) -> torch.Tensor:
        (x,) = batch
        return ((self.layer(x) - 2 * x) ** 2).mean()


def main(folder: str) -> None:
    """Train Line for twelve steps; write the weights to `folder`/weights.pt."""
    root = Path(__file__).resolve().parent.parent
    spec = importlib.util.spec_from_file_location("sk_portrait_run", root / "run.py")
    run = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(run)
    run.load_pack()
    from sk_portrait.train.loop import Settings, fit

    task = Line()
    fit(task, Settings(12, batch=8, accumulation=2, rates=RATES, save=100, sheet=0), Path(folder), {})
    if os.environ["RANK"] == "0":
        torch.save(task.network.state_dict(), Path(folder) / "weights.pt")


if __name__ == "__main__":
    main(sys.argv[1])
