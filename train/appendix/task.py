"""The tasks "controlnet-sk", "faceid-sk" and "sk-text", and the files that they write."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from ...sk_attention.appendix import metadata
from ...sk_attention.appendix.cross import (
    EMBEDDING,
    FACE_TOKENS,
    NAMES,
    FaceIDAdapter,
    SKCrossAdapter,
    TextAdapter,
)
from ...sk_attention.appendix.files import load_cross
from ...sk_attention.checkpoint import read
from ...sk_attention.published_files import REFERENCE, CheckpointError, Shapes, find_part
from ..base import CONTEXT, Base
from ..contact_sheet import contact_sheet
from ..data import Clips
from ..errors import TrainError
from ..loop import to_device
from ..noise import STEPS
from ..objective import Objective
from ..portraits import from_file
from .objective import Batch, Controlled, Crossed
from .pictures import edges, read_picture

DROPOUT = 0.1  # probability of dropping the condition, and independently the text
SHOWN = 4  # pictures on a preview sheet
UNUSED = "reference_modules_down.3."  # keys of v1's files that are never used


class Pick(NamedTuple):
    """Index of a picture, and the seed of its noise, edges and dropout."""

    picture: int
    seed: int


@dataclass(frozen=True)
class Kind:
    """A kind of training. file: name of the file; about: its metadata; steps, batch: those of the paper."""

    file: str
    about: Mapping[str, str]
    steps: int
    batch: int


KINDS = {
    "controlnet-sk": Kind("controlnet_sk_canny", metadata.of_control("canny"), 42_000, 200),
    "faceid-sk": Kind("ipadapter_sk_faceid", metadata.of_face_id(), 42_000, 224),
    "sk-text": Kind("sk_text", metadata.of_text(), 42_000, 160),
}


def adapter_of(name: str, base: Base, start: Path | None) -> nn.Module:
    """Return the network to train, from the file `start` or newly initialised.

    A new ControlNetSK or FaceID adds nothing at first; a new text attention cannot be initialised so, because
    it replaces another. Raises TrainError for a file of another kind or width.
    """
    adapter = _control(base) if name == "controlnet-sk" else _cross(name, base)
    if start is None:
        return adapter
    if not start.is_file():
        raise TrainError(f"--start: there is no file {start}. Give an existing file, or omit --start.")
    try:
        if isinstance(adapter, SKCrossAdapter):
            found = load_cross(type(adapter), read(start), str(start)).state_dict()
        else:
            found = from_file(start).state_dict()
    except CheckpointError as error:
        raise TrainError(str(error)) from None
    found = {key: value.float() for key, value in found.items() if not key.startswith(UNUSED)}
    if Shapes.of(adapter.state_dict()) != Shapes.of(found):
        raise TrainError(f"{start} does not fit {base.path}: it is of another kind, or its widths differ.")
    adapter.load_state_dict(found)
    return adapter.requires_grad_(True)


def _control(base: Base) -> nn.Module:
    part = find_part(REFERENCE, "v1")
    sizes = base.sizes(part)
    adapter = part.build(sizes | {"down": sizes["down"][:3]})
    for module in adapter.sites.values():
        nn.init.zeros_(module.proj.weight)
        nn.init.zeros_(module.proj.bias)
    return adapter


def _cross(name: str, base: Base) -> SKCrossAdapter:
    levels = {"down": lambda block: block, "mid": lambda block: 3, "up": lambda block: 3 - block}
    widths = {block: base.widths[levels[side](index)] for (side, index, _), block in NAMES.items()}
    if name == "sk-text":
        return TextAdapter(widths, CONTEXT)
    adapter = FaceIDAdapter(widths, EMBEDDING, hidden_length=FACE_TOKENS)
    adapter.silence()
    return adapter


class Conditioned:
    """A data set with one picture per sample.

    folder: of the pictures, whose edges are drawn anew for each
    sample; empty: (77, D), the encoded empty prompt
    """

    unused: Sequence[nn.Module] = ()

    def __init__(
        self,
        name: str,
        clips: Clips,
        folder: Path,
        unet: nn.Module,
        adapter: nn.Module,
        empty: Tensor,
        encode: Callable[[Tensor], Tensor],
        target: str = "eps",
        decode: Callable[[Tensor], Tensor] | None = None,
    ):
        self.name, self.clips, self.folder, self.empty, self.decode = name, clips, folder, empty, decode
        network = Controlled(unet, adapter, encode) if name == "controlnet-sk" else Crossed(unet, adapter)
        self.network, self.trained = Objective(network, target), {KINDS[name].file: adapter}

    def choose(self, draw: np.random.Generator, count: int) -> list[Pick]:
        pictures, seeds = draw.integers(len(self.clips), size=count), draw.integers(1 << 62, size=count)
        return [Pick(int(picture), int(seed)) for picture, seed in zip(pictures, seeds)]

    def collate(self, picks: Sequence[Pick]) -> Batch:
        rows = [self._sample(pick) for pick in picks]
        return Batch(**{name: torch.stack([row[name] for row in rows]) for name in rows[0]})

    def _sample(self, pick: Pick) -> dict[str, Tensor]:
        frame = {key: value[0] for key, value in self.clips.frames(pick.picture, (0,)).items()}
        draw, latents = torch.Generator().manual_seed(pick.seed), frame["latents"]
        dropped, silent = (torch.rand(2, generator=draw) < DROPOUT).tolist()
        return {
            "latents": latents,
            "noise": torch.randn(latents.shape, generator=draw),
            "timesteps": torch.randint(STEPS, (), generator=draw),
            "mask": frame["mask"][None],
            "text": self.empty if silent else frame["text"],
            "dropped": torch.tensor(dropped),
            "condition": self._condition(pick, frame),
        }

    def _condition(self, pick: Pick, frame: Mapping[str, Tensor]) -> Tensor:
        if self.name == "controlnet-sk":
            path = self.folder / self.clips.places[pick.picture][2]["name"]
            drawn = edges(read_picture(path, self.clips.size), np.random.default_rng(pick.seed))
            return torch.from_numpy(drawn).movedim(-1, 0).float() / 127.5 - 1
        return frame["embedding"] if self.name == "faceid-sk" else torch.zeros(0)

    def sheet(self) -> np.ndarray | None:
        """Return a picture of edges (ControlNetSK only), truths and results, one column per picture; the
        pictures are always the same.
        """
        if self.decode is None:
            return None
        batch = self.collate(self.choose(np.random.Generator(np.random.PCG64(0)), SHOWN))
        batch = to_device(batch, next(self.network.parameters()).device)
        shown = [self.decode(batch.latents), self.decode(self.network.sample(batch))]
        if self.name == "controlnet-sk":
            shown.insert(0, batch.condition)
        return contact_sheet([(x + 1) / 2 for x in shown])
