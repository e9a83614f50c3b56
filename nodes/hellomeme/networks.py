"""Networks of models/sk_portrait in ComfyUI's memory management."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import comfy.model_management
import comfy.model_patcher
import comfy.ops
import torch

from ...sk_attention import checkpoint
from ..weights import kept_in, patcher_of, read_state
from .library import locate, page


@dataclass(frozen=True, eq=False)
class Network:
    """A loaded network and the ModelPatcher by which ComfyUI loads, offloads and counts it."""

    loaded: checkpoint.Loaded
    patcher: comfy.model_patcher.ModelPatcher

    @property
    def module(self) -> Any:  # of the class that its part names
        return self.loaded.module

    @property
    def versions(self) -> tuple[str, ...]:
        return self.loaded.versions

    @property
    def dtype(self) -> torch.dtype:
        """What the weights are kept in."""
        return next(self.module.parameters()).dtype


def open_network(name: str, *kinds: str, alone: str = "") -> Network:
    """Load a file and insist on what it is.

    Raises MissingFileError, or checkpoint.CheckpointError where the file is none of `kinds`; `alone` is the remedy for another file.
    """
    state = read_state(locate(name), name, page(name), checkpoint.CheckpointError)
    dtype = kept_in(sum(value.numel() for value in state.values()))
    loaded = checkpoint.load(state, name, comfy.ops.manual_cast, dtype)
    if loaded.part.kind not in kinds:
        raise checkpoint.CheckpointError(
            f"{name} is a {loaded}, and this input takes a {' or '.join(kinds)}{alone}."
        )
    return managed(loaded)


def load_plain(model) -> comfy.model_patcher.ModelPatcher:
    """A clone of a MODEL without anything injected into its UNet, loaded: for passes over a picture by itself."""
    plain = model.clone()
    for key in list(plain.injections):
        plain.remove_injections(key)
    comfy.model_management.load_models_gpu([plain])
    return plain


def join(base: Network, projection: Network) -> Network:
    """A base drive encoder with its projection inside, as one network of ComfyUI.

    Raises checkpoint.CheckpointError where they are of different versions.
    """
    shared = tuple(name for name in base.versions if name in projection.versions)
    if not shared:
        raise checkpoint.CheckpointError(
            f"{base.loaded.file} is a {base.loaded} and {projection.loaded.file} is a {projection.loaded}: "
            "base and projection must be of one version."
        )
    base.module.projection = projection.module
    return managed(replace(base.loaded, versions=shared))


def managed(loaded: checkpoint.Loaded) -> Network:
    """A loaded network in ComfyUI's memory management."""
    return Network(loaded, patcher_of(loaded.module))
