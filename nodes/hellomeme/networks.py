"""Loads networks from models/sk_portrait into ComfyUI's memory management."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import comfy.model_management
import comfy.model_patcher
import comfy.ops
import torch

from ...sk_attention import checkpoint
from ...sk_attention.appendix.metadata import condition_of
from ..weights import kept_in, metadata_of, patcher_of, read_state
from .library import locate, page


@dataclass(frozen=True, eq=False)
class Network:
    """A loaded network, and the ModelPatcher by which ComfyUI loads, offloads and counts it."""

    loaded: checkpoint.Loaded
    patcher: comfy.model_patcher.ModelPatcher

    @property
    def module(self) -> Any:  # of the class given by its part
        return self.loaded.module

    @property
    def versions(self) -> tuple[str, ...]:
        return self.loaded.versions

    @property
    def dtype(self) -> torch.dtype:
        """Dtype of the stored weights."""
        return next(self.module.parameters()).dtype


def open_network(name: str, *kinds: str, alone: str = "") -> Network:
    """Load a file as a network of one of `kinds`.

    Raises MissingFileError, or checkpoint.CheckpointError if the file is of
    another kind; `alone` ends that error's message.
    """
    path = locate(name)
    state = read_state(path, name, page(name), checkpoint.CheckpointError)
    dtype = kept_in(sum(value.numel() for value in state.values()))
    loaded = checkpoint.load(state, name, comfy.ops.manual_cast, dtype)
    if loaded.part.kind not in kinds:
        raise checkpoint.CheckpointError(
            f"{name} is a {loaded}, and this input takes a {' or '.join(kinds)}{alone}.", name
        )
    return managed(replace(loaded, condition=condition_of(metadata_of(path))))


def load_plain(model) -> comfy.model_patcher.ModelPatcher:
    """Return a loaded clone of a MODEL without the modules injected
    into its UNet, for passes over single pictures.
    """
    plain = model.clone()
    for key in list(plain.injections):
        plain.remove_injections(key)
    comfy.model_management.load_models_gpu([plain])
    return plain


def join(base: Network, projection: Network) -> Network:
    """Join a base drive encoder and its projection into one network.

    Raises checkpoint.CheckpointError if they are of different versions.
    """
    shared = tuple(name for name in base.versions if name in projection.versions)
    if not shared:
        raise checkpoint.CheckpointError(
            f"{base.loaded.file} is a {base.loaded} and {projection.loaded.file} is a {projection.loaded}: "
            "base and projection must be of one version.",
            projection.loaded.file,
        )
    base.module.projection = projection.module
    return managed(replace(base.loaded, versions=shared))


def managed(loaded: checkpoint.Loaded) -> Network:
    """Put a loaded network into ComfyUI's memory management."""
    return Network(loaded, patcher_of(loaded.module))
