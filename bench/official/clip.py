"""The clip of `bench official`: tiny models in files of the official names, and both sides' inputs."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from ...sk_attention.published_files import ANIMATEDIFF, DRIVE, REFERENCE, find_part
from ...testing.golden import Golden
from ...testing.rule import draw
from ...unet.clip.keyframes import published_padding

CFG, WINDOW, OVERLAP = 2.0, 12, 4
TOKENS, TOKEN_WIDTH, HIDDEN = 77, 64, 32  # of the prompts, and of the drive encoder's tokens
VERSION = "v2"
Clock = Callable[[], float]


@dataclass(frozen=True)
class Sizes:
    """Sizes of networks and clip: channels of the UNet's first block, pixels per side, frames, steps."""

    width: int
    size: int
    frames: int
    steps: int

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels of the UNet's blocks."""
        return self.width, 2 * self.width, 4 * self.width, 4 * self.width

    @property
    def drive_widths(self) -> tuple[int, ...]:
        """Channels of the drive encoder's blocks."""
        return 16, 2 * self.width, 4 * self.width, 4 * self.width, 4 * self.width

    @property
    def cells(self) -> int:
        return self.size // 8


def write_weights(
    folder: Path, golden: Golden, sizes: Sizes, unet_shapes: Callable[[int], dict[str, tuple[int, ...]]]
) -> None:
    """Write deterministic random weights: unet (LDM names), reference, drive, motion (official names)."""
    widths = sizes.widths
    parts = {
        "reference": (find_part(REFERENCE, VERSION), {"up": (widths[3], widths[2], widths[1])}),
        "drive": (
            find_part(DRIVE, VERSION, "coefficients_drive"),
            {"widths": sizes.drive_widths, "context_dim": HIDDEN},
        ),
        "motion": (find_part(ANIMATEDIFF, VERSION), {"down": widths, "up": widths[::-1], "mid": None}),
    }
    for name, (part, own) in parts.items():
        save_file(
            golden.fill(part.build({**part.published, **own}), name).state_dict(),
            folder / f"{name}.safetensors",
        )
    save_file(golden.weights("unet", unet_shapes(sizes.width)), folder / "unet.safetensors")


def read(folder: Path, name: str) -> dict[str, Tensor]:
    """Return the tensors of one of these files."""
    return load_file(folder / f"{name}.safetensors")


@dataclass(frozen=True)
class Inputs:
    """The inputs of a clip, generated deterministically.

    pictures: (F, 3, H, W) head pose, -1..1; coefficients (F, 51); patches (F, 3, 1024);
    portrait (1, 4, h, w), in the UNet's scale; text (2, t, D), uncond first; noise: (1 +
    padded, 4, h, w), of the first stage and of the second
    """

    pictures: Tensor
    coefficients: Tensor
    patches: Tensor
    portrait: Tensor
    text: Tensor
    noise: Tensor

    @classmethod
    def of(cls, golden: Golden, sizes: Sizes) -> Inputs:
        def drawn(name: str, *shape: int) -> Tensor:
            return torch.from_numpy(draw(golden.salt, f"peer:{name}", shape))

        frames, cells = sizes.frames, sizes.cells
        padded = len(published_padding(frames, WINDOW, OVERLAP).latents)
        return cls(
            drawn("pictures", frames, 3, sizes.size, sizes.size).clamp(-1, 1),
            drawn("coefficients", frames, 51).clamp(0, 1),
            drawn("patches", frames, 3, 1024),
            drawn("portrait", 1, 4, cells, cells),
            drawn("text", 2, TOKENS, TOKEN_WIDTH),
            drawn("noise", 1 + padded, 4, cells, cells),
        )


class Watch:
    """A stopwatch that adds up the time of `clock` by name."""

    def __init__(self, clock: Clock):
        self.clock = clock
        self.spent: dict[str, float] = {}
        self._open: dict[str, float] = {}

    def start(self, name: str) -> None:
        self._open[name] = self.clock()

    def stop(self, name: str) -> None:
        self.spent[name] = self.spent.get(name, 0.0) + self.clock() - self._open.pop(name)

    def on(self, module: torch.nn.Module, name: str) -> None:
        """Time every call of a module."""
        module.register_forward_pre_hook(lambda *_: self.start(name))
        module.register_forward_hook(lambda *_: self.stop(name))


def now() -> float:
    """Return process seconds, which other programs do not change; on a GPU, seconds of the clock."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
        return time.perf_counter()
    return time.process_time()
