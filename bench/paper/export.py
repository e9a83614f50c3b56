"""Writes the trained networks of ControlNetSK and IPAdapterSK in SD1.5's shapes into ComfyUI's folders.

The templates controlnet_sk and faceid_sk run with these files. The text attention is left out: it
reads the bench's twelve words, not the tokens of CLIP.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from ...demo import widened
from ...demo.toy_model import PERSON, World
from ...drawn_heads import Identity
from ...sk_attention.appendix import metadata
from ...sk_attention.appendix.cross import FaceIDAdapter
from ...train.toy.appendix import wide_control, wide_cross
from ...train.toy.definition import narrow_base
from .people import embedding_of
from .runs import WEIGHTS

CHECKPOINT, EMBEDDING = f"{widened.PREFIX}paper.ckpt", f"{widened.PREFIX}person.npy"
OWN = "sk."  # prefix of IPAdapterSK's modules in its arm


def own_names(learned: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return what the arm IPAdapterSK has learned with the names of a FaceIDAdapter."""
    return {f"{FaceIDAdapter.family}.{key.removeprefix(OWN)}": value for key, value in learned.items()}


def wide_face_id(learned: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return what the arm IPAdapterSK has learned in SD1.5's shapes."""
    return wide_cross(FaceIDAdapter, own_names(learned))


@dataclass(frozen=True)
class Kind:
    """An arm that is written. place: its folder; wide: its learned network -> the tensors of the file."""

    place: str
    wide: Callable[[Mapping[str, Tensor]], dict[str, Tensor]]
    file: str
    about: Mapping[str, str]


KINDS = (
    Kind(
        "condition/ControlNetSK",
        wide_control,
        "controlnet_sk_canny.safetensors",
        metadata.of_control("canny"),
    ),
    Kind("identity/IPAdapterSK", wide_face_id, "ipadapter_sk_faceid.safetensors", metadata.of_face_id()),
)


def write(comfyui: Path, results: Path, unet: nn.Module, world: World) -> Iterator[Path]:
    """Write the base, the networks of seed 0 that were trained, and the embedding of a person.

    comfyui: folder with models and input; results: folder of the bench; unet: its base
    """
    models = comfyui / "models"
    yield widened.write_checkpoint(models, narrow_base(unet, world.autoencoder), CHECKPOINT)
    for kind in KINDS:
        learned = results / kind.place / "0" / WEIGHTS
        if learned.exists():
            wide = kind.wide(torch.load(learned, weights_only=True))
            yield widened.write_network(models, wide, kind.file, kind.about)
    path = comfyui / "input" / EMBEDDING
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, embedding_of(Identity.of(PERSON)).numpy())
    yield path
