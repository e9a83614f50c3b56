"""Loads an official file: recognises it by its keys, builds the
network from its shapes, and requires every tensor.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor, nn

from ..unet.networks.animatediff import AnimateDiff, diffusers_names, in_own_names
from ..unet.networks.strict_load import fill, quoted
from .published_files import PARTS, CheckpointError, Part, Shapes


@dataclass(frozen=True, eq=False)
class Loaded:
    """A loaded network and the official part that its keys match.

    versions: the part's versions, narrowed by the official repository name in the file's path if the keys fit
      more than one.
    condition: for a ControlNetSK, the kind of picture with which it was trained, else ""; its keys are those
      of v1's reference adapter.
    """

    module: nn.Module
    part: Part
    versions: tuple[str, ...]
    file: str
    condition: str = ""

    def __str__(self) -> str:
        return (
            f"ControlNetSK ({self.condition})"
            if self.condition
            else f"{' or '.join(self.versions)} {self.part.kind}"
        )


def read(path: str | os.PathLike) -> dict[str, Tensor]:
    """Read the state dict of a .safetensors or pickled file (weights only) to the CPU."""
    if str(path).endswith(".safetensors"):
        from safetensors.torch import load_file

        return load_file(path)
    return torch.load(path, map_location="cpu", weights_only=True)


def load(state: Mapping[str, Tensor], file: str, operations=nn, dtype: torch.dtype | None = None) -> Loaded:
    """Build the network of an official state dict; AnimateDiff's own names are accepted too.

    Raises CheckpointError if no official file has such keys (the message names the nearest one), or if a
    tensor is missing, foreign or misshapen.
    """
    animatediffs_names = in_own_names(state)
    if animatediffs_names:
        state = diffusers_names(state, file)
    shapes = Shapes.of(state)
    part = recognise(shapes, file)
    try:
        network = part.build(part.sizes(shapes), operations)
    except CheckpointError as error:
        raise CheckpointError(f"{file} is a {part}, but {error}.", file) from None
    fill(network, state, file, f"a {part}", CheckpointError, dtype)
    if animatediffs_names and isinstance(network, AnimateDiff):
        network.norm_each_frame()
    return Loaded(network, part, _narrowed(part, file), file)


def recognise(shapes: Shapes, file: str) -> Part:
    """Return the official part that has these keys.

    Raises CheckpointError that names the nearest part and the missing and foreign keys.
    """
    for part in PARTS:
        if part.matches(shapes):
            return part
    part = max(
        PARTS, key=lambda p: len(published_names(p) & shapes.keys()) / len(published_names(p) | shapes.keys())
    )
    names = published_names(part)
    foreign = sorted(shapes.keys() - names)
    missing = sorted(names - shapes.keys())
    raise CheckpointError(
        f"{file} is no HelloMeme file that this pack knows. The nearest is a {part} ({part.pages[0]}): "
        f"{len(names & shapes.keys())} of its {len(names)} tensors are there, {len(missing)} are missing ({quoted(missing)}), "
        f"{len(foreign)} are foreign ({quoted(foreign)}).",
        file,
    )


@cache
def published_names(part: Part) -> frozenset[str]:
    """Names of the tensors of a part, read from its network built at the official sizes."""
    with torch.device("meta"):
        return frozenset(part.build(part.published).state_dict())


def _narrowed(part: Part, file: str) -> tuple[str, ...]:
    """Return the versions whose official repository is in the file's
    path; all versions of the part if there is none.
    """
    words = set(re.split(r"[^A-Za-z0-9_]", file))
    named = tuple(name for name, repository in part.repositories.items() if repository in words)
    return named or part.versions
