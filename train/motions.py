"""Training of temporal modules on neighbouring frames, with all other networks frozen (paper, sections 3.5
and 4.1): AnimateDiff's, and the SK motion between key frames of v3 and v4.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from torch import Tensor, nn

from ..errors import SettingError
from ..sk_attention.published_files import ANIMATEDIFF, MOTION, PARTS, Part
from .data import Clips
from .portraits import Draws, Pairs, Pick, from_file, published

FRAMES = 16  # neighbouring frames in one sample


def kinds(version: str) -> dict[str, Part]:
    """Return {repository: part} for the temporal modules of a version."""
    found = [part for part in PARTS if part.kind in (MOTION, ANIMATEDIFF) and version in part.versions]
    return {part.repositories[version]: part for part in found}


def networks(
    version: str, start: Mapping[Part, Path], sizes: Callable[[Part], Mapping]
) -> dict[str, nn.Module]:
    """Return {repository: network} for the temporal modules of a version."""
    return {repository: network(part, start, sizes) for repository, part in kinds(version).items()}


def network(part: Part, start: Mapping[Part, Path], sizes: Callable[[Part], Mapping]) -> nn.Module:
    """Return temporal modules: those in `start`, or new ones that initially change nothing."""
    if part in start:
        return from_file(start[part])
    built = part.build(sizes(part))
    for module in (built.boundaries() if part.kind == MOTION else built.sites()).values():
        last = module.proj if part.kind == MOTION else module.proj_out
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
    return built


def require_trained(version: str, start: Mapping[Part, Path]) -> None:
    """Raise SettingError unless every network that motion is trained with is given."""
    for repository, part in published(version).items():
        if part not in start:
            raise SettingError(
                f"Motion is tuned on trained networks: name the {part} with --start ({repository}.safetensors).",
                "start",
                part,
            )


class Neighbours(Pairs):
    """Samples of FRAMES neighbouring frames, with any frame of the
    clip as the portrait, for a network with motion.

    motion: result of `networks`; beside: temporal modules that are active and not trained
    """

    name = "motion"
    draws = Draws(one_time=True)
    fewest, wanted = FRAMES, f"has {FRAMES} frames; a sample is {FRAMES} neighbouring frames"

    def __init__(
        self,
        clips: Clips,
        unet: nn.Module,
        parts: Mapping[str, nn.Module],
        motion: Mapping[str, nn.Module],
        text: Tensor | None,
        beside: Sequence[nn.Module] = (),
        **options,
    ):
        super().__init__(clips, unet, parts, text, motion=(*motion.values(), *beside), **options)
        self.trained, self.unused = dict(motion), ()

    def choose(self, draw: np.random.Generator, count: int) -> list[Pick]:
        picks = []
        for clip, seed in zip(draw.choice(self.usable, count), draw.integers(1 << 62, size=count)):
            length = self.clips.length(clip)
            first = int(draw.integers(length - FRAMES + 1))
            picks.append(
                Pick(int(clip), int(draw.integers(length)), tuple(range(first, first + FRAMES)), int(seed))
            )
        return picks
