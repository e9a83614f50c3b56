"""Training of the reference adapter and drive encoder of one version on
pairs of frames of one clip (paper, section 4.1).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import MissingFileError, VersionError
from ..sk_attention.checkpoint import load, read, recognise
from ..sk_attention.published_files import (
    DRIVE,
    PROJECTION,
    REFERENCE,
    Part,
    Shapes,
    find_part,
)
from ..sk_attention.versions import VERSIONS, having
from .contact_sheet import contact_sheet
from .data import Clips, pictures_of
from .errors import TrainDataError
from .loop import to_device
from .noise import STEPS
from .objective import Batch, Objective, Portrait
from .toy import strength

TRAINABLE = having("animatediff")  # versions
DROPOUT = 0.1  # probability of dropping the conditions, for guidance
SHOWN = 4  # samples on a sheet
MOSTLY_NOISE = 600  # timestep from which a sample shows little but its conditions


class Pick(NamedTuple):
    """Frames of one clip, one as the portrait and the
    others as targets, and the seed of the sample's noise.
    """

    clip: int
    portrait: int
    targets: tuple[int, ...]
    seed: int


def published(version: str) -> dict[str, Part]:
    """Return {repository: part} of the networks that are trained for one version: reference adapter, drive
    encoder, and projection if there is one.
    """
    parts = [find_part(REFERENCE, version), find_part(DRIVE, version, "coefficients_drive")]
    parts += [find_part(PROJECTION, version)] if VERSIONS[version].projection else []
    return {part.repositories[version]: part for part in parts}


def given(files: Sequence[Path]) -> dict[Part, Path]:
    """Recognise the files to start from.

    Raises MissingFileError, or CheckpointError for one that is no official file.
    """
    found = {}
    for path in files:
        if not path.is_file():
            raise MissingFileError(f"There is no file {path} to start from.", str(path))
        shapes = Shapes.of(read(path))
        found[recognise(shapes, str(path))] = path
    return found


def networks(
    version: str, start: Mapping[Part, Path], sizes: Callable[[Part], Mapping]
) -> dict[str, nn.Module]:
    """Return {repository: network}, loaded from its file in `start`, otherwise new with `sizes(part)`."""
    built = {}
    for repository, part in published(version).items():
        if part in start:
            built[repository] = from_file(start[part])
        else:
            built[repository] = part.build(sizes(part))
            _silence(built[repository], part)
    return built


def require_version(version: str, start: Mapping[Part, Path]) -> None:
    """Raise VersionError if a file to start from is of another version."""
    for part, path in start.items():
        if version not in part.versions:
            raise VersionError(
                f"{path} is a {part}; what is trained here is {version}.", part.versions, (version,)
            )


def from_file(path: Path) -> nn.Module:
    """Load an official network in float32. Raises CheckpointError if a tensor is missing or misshapen."""
    return load(read(path), f"{path}").module.float()


def _silence(network: nn.Module, part: Part) -> None:
    """Set the last layers of new reference modules ("zero conv") and of a new drive encoder to zero, so
    that the UNet is initially unchanged.
    """
    if part.kind == REFERENCE:
        last = [module.proj for module in network.sites.values()]
    elif part.kind == DRIVE and "boundaries" in part.fixed:
        # Each block's feature is the next one's input, so only the last may be zero.
        last = [network.blocks_down[-1].proj]
    else:
        last = []
    for convolution in last:
        nn.init.zeros_(convolution.weight)
        nn.init.zeros_(convolution.bias)


@dataclass(frozen=True)
class Draws:
    """How the random numbers of a sample are drawn.

    one_time: the targets of a portrait have one noise level, as the frames of a clip
    any_strength: some targets have drives of other strengths than 1
    mostly_noise: share of the targets whose timesteps are from MOSTLY_NOISE on
    """

    one_time: bool = False
    any_strength: bool = False
    mostly_noise: float = 0.0

    def of(self, seed: int, frames: Mapping[str, Tensor]) -> tuple[Tensor, Tensor, bool, Tensor]:
        """Return noise, timesteps, dropout and drive strengths of one sample."""
        draw, count = torch.Generator().manual_seed(seed), len(frames["latents"])
        noise = torch.randn(frames["latents"].shape, generator=draw)
        levels = 1 if self.one_time else count
        timesteps = torch.randint(STEPS, (levels,), generator=draw)
        dropped = bool(torch.rand(1, generator=draw) < DROPOUT)
        strengths = strength.drawn(draw, frames) if self.any_strength else torch.ones(count)
        if self.mostly_noise:
            late = torch.randint(MOSTLY_NOISE, STEPS, (levels,), generator=draw)
            timesteps = torch.where(torch.rand(levels, generator=draw) < self.mostly_noise, late, timesteps)
        return noise, timesteps.expand(count), dropped, strengths


class Pairs:
    """The task "portrait". unet: frozen, or trained together with its adapters (live).

    parts:  result of `networks`
    motion: temporal modules
    decode: latents (F, 4, h, w) -> pictures in -1..1, for the sheets; None = no sheets
    """

    name = "portrait"
    draws = Draws()
    fewest, wanted = 2, "has two frames; a sample is a pair of frames"

    def __init__(
        self,
        clips: Clips,
        unet: nn.Module,
        parts: Mapping[str, nn.Module],
        text: Tensor | None,
        motion: Sequence[nn.Module] = (),
        target: str = "eps",
        live: bool = False,
        decode: Callable[[Tensor], Tensor] | None = None,
    ):
        self.clips, self.decode = clips, decode
        adapter, drive, *projection = parts.values()
        if projection:
            drive.projection = projection[0]
        self.objective = Objective(Portrait(unet, adapter, drive, text, motion, live), target)
        self.network: nn.Module = self.objective
        self.trained = dict(list(parts.items())[:2]) | (
            {"unet": unet} if live else {}
        )  # a projection is trained inside its encoder
        # v1's fourth down module is in the file and never called; face motion is an
        # alternative input, which is not trained here.
        self.unused = [
            module for name, module in drive.named_modules() if name in ("emo_proj", "emo_pre_proj")
        ]
        self.unused += list(getattr(adapter, "reference_modules_down", ()))[3:]
        self.usable = [clip for clip in range(len(clips)) if clips.length(clip) >= self.fewest]
        if not self.usable:
            raise TrainDataError(f"No clip in {clips.folder} {self.wanted} of one clip.", clips.folder)

    def choose(self, draw: np.random.Generator, count: int) -> list[Pick]:
        clips = draw.choice(self.usable, count)
        pairs = [draw.choice(self.clips.length(clip), 2, replace=False) for clip in clips]
        return [
            Pick(int(c), int(a), (int(b),), int(s))
            for c, (a, b), s in zip(clips, pairs, draw.integers(1 << 62, size=count))
        ]

    def collate(self, picks: Sequence[Pick]) -> Any:
        return self.batch(picks)

    def batch(self, picks: Sequence[Pick]) -> Batch:
        frames = [self.clips.frames(pick.clip, (pick.portrait, *pick.targets)) for pick in picks]
        return batch_of(frames, [pick.seed for pick in picks], self.clips.size, self.draws)

    def sheet(self) -> np.ndarray | None:
        """Draw portraits, head poses, truths and results of fixed samples, one column per frame."""
        if self.decode is None:
            return None
        batch = self.batch(self.choose(np.random.Generator(np.random.PCG64(0)), SHOWN))
        batch = to_device(
            replace(batch, dropped=torch.zeros_like(batch.dropped)), next(self.objective.parameters()).device
        )
        portraits, truths, results = (
            self.decode(x)
            for x in (batch.portraits[batch.owner], batch.latents, self.objective.sample(batch))
        )
        return contact_sheet([(x + 1) / 2 for x in (portraits, batch.pictures, truths, results)])


def batch_of(frames: Sequence[Mapping[str, Tensor]], seeds: Sequence[int], size: int, draws: Draws) -> Batch:
    """Make a batch of samples: the first frame of each element of
    `frames` is the portrait, the others are its targets.

    size: pixels of the head-pose pictures
    """
    targets = [{name: tensor[1:] for name, tensor in clip.items()} for clip in frames]
    together = {name: torch.cat([clip[name] for clip in targets]) for name in targets[0]}
    drawn = [draws.of(seed, clip) for seed, clip in zip(seeds, targets)]
    count = len(together["latents"])
    strengths = torch.cat([strengths for *_, strengths in drawn])
    drive = strength.shown(together, strengths)
    return Batch(
        latents=together["latents"],
        noise=torch.cat([noise for noise, *_ in drawn]),
        timesteps=torch.cat([timesteps for _, timesteps, *_ in drawn]),
        portraits=torch.cat([clip["latents"][:1] for clip in frames]),
        owner=torch.cat([torch.full((len(clip["latents"]),), k) for k, clip in enumerate(targets)]),
        dropped=torch.tensor([dropped for *_, dropped, _ in drawn]),
        pictures=pictures_of(drive["rotation"], drive["translation"], size),
        coefficients=drive["coefficients"],
        patches=together.get("patches", torch.zeros(count, 3, 1024)),
        mask=together["mask"][:, None],
        strength=strengths,
    )
