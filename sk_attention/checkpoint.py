"""Loads a official file: recognises it by its keys, builds the network from its shapes, insists on every tensor."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor, nn

from ..unet.networks.animatediff import diffusers_names, in_own_names
from .published_files import PARTS, CheckpointError, Part, Shapes


@dataclass(frozen=True, eq=False)
class Loaded:
    """A network and its kind. `versions` is narrowed by the file's official name where its keys fit more than one."""

    module: nn.Module
    part: Part
    versions: tuple[str, ...]
    file: str

    def __str__(self) -> str:
        return f"{' or '.join(self.versions)} {self.part.kind}"


def read(path: str | os.PathLike) -> dict[str, Tensor]:
    """The state dict of a .safetensors file or of a pickled one (weights only), on the CPU."""
    if str(path).endswith(".safetensors"):
        from safetensors.torch import load_file

        return load_file(path)
    return torch.load(path, map_location="cpu", weights_only=True)


def load(state: Mapping[str, Tensor], file: str, operations=nn, dtype: torch.dtype | None = None) -> Loaded:
    """The network of a published state dict; AnimateDiff's own names count as published.

    Raises CheckpointError: no official file has such keys (the message names the nearest), or a tensor is missing, foreign or misshapen.
    """
    animatediffs_names = in_own_names(state)
    if animatediffs_names:
        state = diffusers_names(state)
    shapes = Shapes({key: tuple(value.shape) for key, value in state.items()})
    part = recognise(shapes, file)
    try:
        network = part.build(part.sizes(shapes), operations)
    except CheckpointError as error:
        raise CheckpointError(f"{file} is a {part}, but {error}.") from None
    _require_equal(
        {key: tuple(value.shape) for key, value in network.state_dict().items()},
        shapes,
        f"{file} is a {part}, but ",
    )
    weights = {
        key for key, value in network.state_dict().items() if value.is_floating_point()
    }  # not the counters of batch norm
    _require_weights({key: state[key] for key in sorted(weights)}, f"{file} is a {part}, but ")
    network.load_state_dict(state)
    if animatediffs_names:
        network.norm_each_frame()
    return Loaded(network.to(dtype=dtype).eval().requires_grad_(False), part, _narrowed(part, file), file)


def recognise(shapes: Shapes, file: str) -> Part:
    """The official part that has such keys. Raises CheckpointError that names the nearest one and quotes the keys that decided."""
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
        f"{len(names & shapes.keys())} of its {len(names)} tensors are there, {len(missing)} are missing ({_some(missing)}), "
        f"{len(foreign)} are foreign ({_some(foreign)})."
    )


@cache
def published_names(part: Part) -> frozenset[str]:
    """Names of the tensors of a part, from the network itself at its official sizes."""
    with torch.device("meta"):
        return frozenset(part.build(part.published).state_dict())


def _require_equal(wanted: Mapping[str, tuple], found: Mapping[str, tuple], where: str) -> None:
    if missing := sorted(wanted.keys() - found.keys()):
        raise CheckpointError(
            f"{where}{len(missing)} of its {len(wanted)} tensors are missing: {_some(missing)}."
        )
    if foreign := sorted(found.keys() - wanted.keys()):
        raise CheckpointError(f"{where}{len(foreign)} tensors do not belong to it: {_some(foreign)}.")
    for key, shape in wanted.items():
        if found[key] != shape:
            raise CheckpointError(
                f"{where}{key!r} is of shape {found[key]}, its other tensors ask for {shape}."
            )


def _require_weights(state: Mapping[str, Tensor], where: str) -> None:
    """Raise CheckpointError for a tensor that holds no weights: a network of them computes noise, or nothing, without a word."""
    for key, value in state.items():
        if value.is_meta:  # a shape without numbers
            continue
        if not value.is_floating_point():
            raise CheckpointError(
                f"{where}{key!r} holds {str(value.dtype).removeprefix('torch.')} numbers, which are no weights."
            )
        # One pass without a copy; the narrow floats, which have no such pass, are widened.
        low, high = (value if value.element_size() > 1 else value.float()).aminmax()
        if not (low.isfinite() and high.isfinite()):
            bad = int((~value.float().isfinite()).sum())
            raise CheckpointError(
                f"{where}{bad} of {value.numel()} numbers of {key!r} are not finite (NaN or infinite): get it again."
            )


def _narrowed(part: Part, file: str) -> tuple[str, ...]:
    """The versions whose official repository stands in the file's path, or all of the part's."""
    words = set(re.split(r"[^A-Za-z0-9_]", file))
    named = tuple(name for name, repository in part.repositories.items() if repository in words)
    return named or part.versions


def _some(keys: list[str], limit: int = 3) -> str:
    return ", ".join(repr(key) for key in keys[:limit]) + (", ..." if len(keys) > limit else "")
