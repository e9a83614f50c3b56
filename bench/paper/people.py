"""Drawn people with every condition of the arms: edges, another picture of
the person, an embedding, words, a head pose.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ...demo.toy_model import World
from ...drawn_heads import Identity, State
from ...drawn_heads.attributes import CHOICES, COLOURS, COUNT, SIZES, attributes
from ...face_tools.coefficients import to_network_order
from ...sk_attention.drive import EMPTY
from ...train.data import pictures_of
from ...train.noise import STEPS
from ...train.toy.footage import PAIRS, SIZE
from ..quality import probe
from ..quality.test_set import Scene

CANNY = (60, 160)  # thresholds of the edges
# Length of a face embedding and of a word; share of samples without any condition.
EMBEDDING, WORD, DROPOUT = (
    512,
    64,
    0.1,
)
OTHERS = ("shirt", "background")  # words for colours that are not among the attributes of a head


@dataclass(frozen=True)
class Batch:
    """The tensors of one step: latents (B, 4, h, w), noise, timesteps (B,), mask (B, 1, h, w) of zeros;
    dropped (B,): without condition.

    Conditions: portraits and edges (B, 4, h, w), hints (B, 1, H, W) 0..1, embedding (B, 512), words (B, m,
    64), pictures (B, 3, H, W) of the head pose and coefficients (B, 51)
    """

    latents: Tensor
    noise: Tensor
    timesteps: Tensor
    mask: Tensor
    dropped: Tensor
    portraits: Tensor
    edges: Tensor
    hints: Tensor
    embedding: Tensor
    words: Tensor
    pictures: Tensor
    coefficients: Tensor


CONDITIONS = {"pictures": EMPTY}  # value of a dropped condition, 0 if not listed


@dataclass(frozen=True)
class People:
    """N pictures, as tensors by name.

    others: for each picture, the indices of other pictures of the same person.
    """

    tensors: Mapping[str, Tensor]
    others: Sequence[Sequence[int]]

    def __len__(self) -> int:
        return len(self.others)

    def batch(self, rows: Sequence[int], draw: torch.Generator, dropout: float) -> Batch:
        """Return a batch of the pictures `rows` with noise, each with another picture of its person.

        dropout: share without conditions.
        """
        picked = {name: tensor[list(rows)] for name, tensor in self.tensors.items()}
        count = len(rows)
        choice = torch.rand(count, generator=draw).tolist()
        portraits = [self.others[row][int(share * len(self.others[row]))] for row, share in zip(rows, choice)]
        dropped = torch.rand(count, generator=draw) < dropout
        conditions = {
            "portraits": self.tensors["portraits" if "portraits" in self.tensors else "latents"][portraits],
            "edges": picked["edges"],
            "hints": picked["hints"][:, None].float() / 255,
            "embedding": picked["embedding"],
            "words": picked["words"],
            "pictures": pictures_of(picked["rotation"], picked["translation"], SIZE),
            "coefficients": picked["coefficients"],
        }
        empty = {name: torch.full_like(x, CONDITIONS.get(name, 0.0)) for name, x in conditions.items()}
        kept = {
            name: torch.where(dropped.view(-1, *[1] * (x.dim() - 1)), empty[name], x)
            for name, x in conditions.items()
        }
        latents = picked["latents"]
        return Batch(
            latents=latents,
            noise=torch.randn(latents.shape, generator=draw),
            timesteps=torch.randint(STEPS, (count,), generator=draw),
            mask=torch.zeros_like(latents[:, :1]),
            dropped=dropped,
            **kept,
        )


def edges_of(picture: np.ndarray) -> np.ndarray:
    """Return the edges (H, W) uint8, 0 or 255, of a picture (H, W, 3) uint8."""
    return cv2.Canny(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), *CANNY)


def embedding_of(who: Identity) -> Tensor:
    """Return an embedding (512,) of length 1: the attributes of a head in a fixed random basis.

    It replaces ArcFace, which was not trained on drawings.
    """
    basis = torch.randn(COUNT, EMBEDDING, generator=torch.Generator().manual_seed(0))
    return F.normalize((torch.from_numpy(attributes(who)) - 0.5) @ basis, dim=0)


def words_of(who: Identity, state: State) -> Tensor:
    """Return words (m, 64), one per attribute: a vector
    for its name plus its values in a fixed random basis.
    """
    known = attributes(who)
    sizes = [3] * len(COLOURS) + [*map(len, CHOICES.values()), len(SIZES)]
    groups = [*np.split(known, np.cumsum(sizes)[:-1])]
    groups += [np.float32(getattr(who, name)) / 255 for name in OTHERS]
    groups += [np.r_[state.rotation, state.translation], state.coefficients[probe.COLUMNS]]
    draw = torch.Generator().manual_seed(1)
    words = []
    for numbers in groups:
        name, basis = torch.randn(WORD, generator=draw), torch.randn(len(numbers), WORD, generator=draw)
        words.append(name + 2 * torch.from_numpy(np.float32(numbers)) @ basis)
    return torch.stack(words)


def taught(world: World, folder: Path, count: int, tell: Callable[[str], None]) -> People:
    """Return pictures for training, drawn once into `folder`: PAIRS.frames of each of `count` people."""
    path = folder / f"people-{count}.pt"
    if path.exists():
        return People(**torch.load(path, weights_only=True))
    files = PAIRS.drawn(folder / PAIRS.name, count, tell)
    drawn = [dict(np.load(file)) for file in files]
    rows = {name: np.concatenate([each[name] for each in drawn]) for name in drawn[0]}
    people = [
        Identity.of(PAIRS.first + k) for k in range(len(files) * PAIRS.in_file) for _ in range(PAIRS.frames)
    ]
    found = _tensors(
        world, people, rows["pictures"], rows["rotation"], rows["translation"], rows["coefficients"]
    )
    moments = range(PAIRS.frames)
    others = [
        [row - row % PAIRS.frames + k for k in moments if k != row % PAIRS.frames]
        for row in range(len(people))
    ]
    torch.save({"tensors": found, "others": others}, path)
    return People(found, others)


def shown(world: World, stage: Sequence[Scene]) -> People:
    """Return the frames of a test set, each with its scene's portrait."""
    states = [state for scene in stage for state in scene.states]
    who = [scene.who for scene in stage for _ in scene.states]
    pictures = np.stack([picture for scene in stage for picture in scene.drawn])
    tracks = (
        np.stack([getattr(s, name) for s in states]) for name in ("rotation", "translation", "coefficients")
    )
    found = _tensors(world, who, pictures, *tracks)
    found["portraits"] = world.shrink([scene.portrait for scene in stage for _ in scene.states])
    return People(found, [[row] for row in range(len(states))])


def _tensors(
    world: World,
    who: Sequence[Identity],
    pictures: np.ndarray,
    rotation: np.ndarray,
    translation: np.ndarray,
    coefficients: np.ndarray,
) -> dict[str, Tensor]:
    states = [State(*row) for row in zip(rotation, translation, coefficients)]
    hints = np.stack([edges_of(picture) for picture in pictures])
    coloured = np.repeat(hints[..., None], 3, -1)
    return {
        "latents": _latents(world, pictures),
        "edges": _latents(world, coloured),
        "hints": torch.from_numpy(hints),
        "embedding": torch.stack([embedding_of(one) for one in who]),
        "words": torch.stack([words_of(one, state) for one, state in zip(who, states)]),
        "rotation": torch.from_numpy(rotation).float(),
        "translation": torch.from_numpy(translation).float(),
        "coefficients": torch.from_numpy(to_network_order(coefficients)).float(),
    }


def _latents(world: World, pictures: np.ndarray, part: int = 50) -> Tensor:
    return torch.cat([world.shrink(pictures[k : k + part]) for k in range(0, len(pictures), part)])
