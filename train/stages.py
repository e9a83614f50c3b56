"""`python run.py train world --out FOLDER`: the small world from nothing, stage after stage.

Drawings, autoencoder, latents, then base, reference adapter and drive encoder jointly. Every stage resumes, and a finished one is
skipped; the seeds are fixed, so that with `minutes` 0 the same files come out.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from .. import theatre
from . import world
from .autoencoder import TinyAutoencoder
from .data import Clips, ShardWriter
from .loop import Settings, described, fit
from .portraits import Pairs, Pick

SIZE, CELLS, FRAMES, TARGETS = 128, 16, 4, 3
FIRST_SEED = 100_000  # of the people and motions that training sees; the benches use smaller ones
PEOPLE_IN_FILE = 125
MOTION_FPS = 0.41  # four frames far apart in one motion
CROP = 64  # pixels of the crops that the autoencoder learns from
NOISE = 0.05  # on latents, so that near latents mean near pictures
DRAWINGS, LATENTS = "drawings", "latents"
AUTOENCODER, RECORD = "autoencoder.safetensors", "world.json"


def drawings(folder: Path, people: int, tell: Callable[[str], None]) -> list[Path]:
    """Files of PEOPLE_IN_FILE people, FRAMES pictures each, with the truth of every picture."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{k:04d}.npz" for k in range(-(-people // PEOPLE_IN_FILE))]
    for k, path in enumerate(paths):
        if path.exists():
            continue
        first = FIRST_SEED + k * PEOPLE_IN_FILE
        rows = [_drawn(seed) for seed in range(first, first + PEOPLE_IN_FILE)]
        part = path.with_suffix(".part")
        with open(part, "wb") as file:
            np.savez(file, **{name: np.concatenate([row[name] for row in rows]) for name in rows[0]})
        part.replace(path)
        tell(f"drawings  {(k + 1) * PEOPLE_IN_FILE} people")
    return paths


def _drawn(seed: int) -> dict[str, np.ndarray]:
    who, states = theatre.Identity.of(seed), theatre.clip(seed, FRAMES, MOTION_FPS)
    marked = [cv2.resize(theatre.masks(who, s, SIZE), (CELLS, CELLS), interpolation=cv2.INTER_AREA) for s in states]
    return {
        "pictures": np.stack([theatre.draw(who, s, SIZE) for s in states]),
        "rotation": np.stack([s.rotation for s in states]),
        "translation": np.stack([s.translation for s in states]),
        "coefficients": np.stack([s.coefficients for s in states]),
        "mask": np.round(np.stack(marked) * 255).astype(np.uint8),
    }


class Cut(NamedTuple):
    """A crop of a drawing, in cells, perhaps mirrored."""

    file: int
    row: int
    top: int
    left: int
    mirrored: bool
    seed: int


class Reconstruction(nn.Module):
    """The autoencoder's loss on (B, 3, H, W) pictures in 0..1 and (B, 1, H, W) marks of eyes and mouth."""

    def __init__(self, autoencoder: TinyAutoencoder):
        super().__init__()
        self.autoencoder = autoencoder

    def forward(self, batch: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        pictures, marks, noise = batch
        with torch.autocast(pictures.device.type, torch.bfloat16):  # half the time, on CPUs too
            latents = self.autoencoder.encode(pictures)
            back = self.autoencoder.decode(latents + NOISE * noise.to(latents))
        off = back.float() - pictures
        spread = latents.float().std((0, 2, 3)), latents.float().mean((0, 2, 3))
        unit = ((spread[0] - 1) ** 2 + spread[1] ** 2).mean()  # what the noise schedule assumes of latents
        return ((off.abs() + 4 * off**2) * (1 + 3 * marks)).mean() + 0.02 * unit


class Reconstructions:
    """The task "autoencoder": crops of drawings."""

    name, unused = "autoencoder", ()

    def __init__(self, autoencoder: TinyAutoencoder, files: Sequence[Path]):
        self.data = [(loaded["pictures"], loaded["mask"]) for loaded in map(np.load, files)]
        # AMX and the convolutions of most CPUs want the channels last: half the time here.
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
            noise.append(torch.randn(4, CROP // 8, CROP // 8, generator=torch.Generator().manual_seed(cut.seed)))
        x = torch.stack(pictures).movedim(-1, 1).float().div(255).contiguous(memory_format=torch.channels_last)
        m = F.interpolate(torch.stack(marks)[:, None].float() / 255, scale_factor=8, mode="bilinear")
        return x, m, torch.stack(noise)

    def sheet(self) -> np.ndarray:
        """Eight drawings and what comes back."""
        x = torch.from_numpy(self.data[0][0][: 8 * FRAMES : FRAMES]).movedim(-1, 1).float() / 255
        back = self.network.autoencoder.decode(self.network.autoencoder.encode(x)).clamp(0, 1)
        rows = [torch.cat(list(row), -1) for row in (x, back)]
        return (torch.cat(rows, -2) * 255).round().to(torch.uint8).movedim(0, -1).numpy()


class Heads(Pairs):
    """Pairs of drawings; one pass over a portrait serves TARGETS targets, each with a noise level of its own."""

    def choose(self, draw: np.random.Generator, count: int) -> list[Pick]:
        picks = []
        for clip, seed in zip(draw.choice(self.usable, count), draw.integers(1 << 62, size=count)):
            order = draw.permutation(FRAMES)
            picks.append(Pick(int(clip), int(order[0]), tuple(map(int, order[1 : TARGETS + 1])), int(seed)))
        return picks


def latents(folder: Path, files: Sequence[Path], autoencoder: TinyAutoencoder, tell: Callable[[str], None]) -> Clips:
    """The drawings as training data: the four pictures of a person are one clip."""
    digest = f"{sum(float(p.double().abs().sum()) for p in autoencoder.parameters()):.6g}"
    with ShardWriter(folder, SIZE, digest) as shards:
        known = shards.names
        for path in files:
            if f"{path.stem}/0" in known:
                continue
            drawn = dict(np.load(path))
            pictures = torch.from_numpy(drawn.pop("pictures")).movedim(-1, 1)
            with torch.no_grad():
                codes = torch.cat([autoencoder.encode(part.float() / 255) for part in pictures.split(50)]).half()
            for k in range(len(codes) // FRAMES):
                rows = slice(k * FRAMES, (k + 1) * FRAMES)
                clip = {name: torch.from_numpy(value[rows]) for name, value in drawn.items()}
                shards.add(f"{path.stem}/{k}", clip | {"latents": codes[rows]})
            tell(f"latents   {path.stem}")
    return Clips(folder)


def build(
    out: Path, autoencoder_settings: Settings, joint_settings: Settings, people: int = 4000, tell: Callable[[str], None] = lambda line: None
) -> list[Path]:
    """Make the world in `out`; returns its narrow files."""
    files = drawings(out / DRAWINGS, people, tell)
    torch.manual_seed(autoencoder_settings.seed)
    small = TinyAutoencoder.small()
    if not (out / AUTOENCODER).exists():
        fit(Reconstructions(small, files), autoencoder_settings, out / "autoencoder", {"people": people})
        _save(out / AUTOENCODER, small.state_dict())
    small.load_state_dict(load_file(out / AUTOENCODER))
    small.eval()

    clips = latents(out / LATENTS, files, small, tell)
    torch.manual_seed(joint_settings.seed)
    unet, (adapter, drive, _) = world.unet(), world.parts()
    networks = {part.repositories[world.GENERATION]: part.build(world.sizes(part)) for part in (adapter, drive)}
    task = Heads(clips, unet, networks, None, target="v", live=True, decode=lambda z: small.decode(z) * 2 - 1)
    fit(task, joint_settings, out / "joint", {"people": people})
    written = [_save(out / world.BASE, world.narrow_base(unet, small))]
    written += [_save(out / f"{name}.safetensors", network.state_dict()) for name, network in networks.items()]
    record = {"people": people, "autoencoder": described(autoencoder_settings), "joint": described(joint_settings)}
    (out / RECORD).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return written


def _save(path: Path, state: dict[str, Tensor]) -> Path:
    part = path.with_suffix(".part")
    save_file({key: value.contiguous() for key, value in state.items()}, part)
    part.replace(path)
    return path
