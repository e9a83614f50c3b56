"""Networks of models/sk_portrait in the host's memory management."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace

import comfy.model_management
import comfy.model_patcher
import comfy.ops
import comfy.utils
import torch

from ...sk_attention import checkpoint
from .library import locate, page


@dataclass(frozen=True, eq=False)
class Network:
    """A loaded network and the ModelPatcher by which the host loads, offloads and counts it."""

    loaded: checkpoint.Loaded
    patcher: comfy.model_patcher.ModelPatcher

    @property
    def module(self) -> torch.nn.Module:
        return self.loaded.module

    @property
    def generations(self) -> tuple[str, ...]:
        return self.loaded.generations

    @property
    def dtype(self) -> torch.dtype:
        """What the weights are kept in."""
        return next(self.module.parameters()).dtype


def open_network(name: str, *kinds: str, alone: str = "") -> Network:
    """Load a file and insist on what it is.

    Raises FileNotFoundError, or checkpoint.CheckpointError where the file is none of `kinds`; `alone` says what to do with another.
    """
    state = _read(name)
    dtype = kept_in(sum(value.numel() for value in state.values()))
    loaded = checkpoint.load(state, name, comfy.ops.manual_cast, dtype)
    if loaded.part.kind not in kinds:
        raise checkpoint.CheckpointError(f"{name} is a {loaded}, and this input takes a {' or '.join(kinds)}{alone}.")
    return managed(loaded)


def kept_in(weights: int) -> torch.dtype:
    """The dtype of a network with so many weights: what the host takes for UNets, but never 8 bits, which would tell in the features
    and save little beside the UNet."""
    dtype = comfy.model_management.unet_dtype(model_params=weights)
    if dtype.itemsize > 1:
        return dtype
    return torch.float16 if comfy.model_management.should_use_fp16(model_params=weights) else torch.float32


def load_plain(model) -> comfy.model_patcher.ModelPatcher:
    """A clone of a MODEL without anything injected into its UNet, loaded: for passes over a picture by itself."""
    plain = model.clone()
    for key in list(plain.injections):
        plain.remove_injections(key)
    comfy.model_management.load_models_gpu([plain])
    return plain


def _read(name: str) -> dict[str, torch.Tensor]:
    path = locate(name)
    try:
        return comfy.utils.load_torch_file(path, safe_load=True)
    except Exception as error:  # each format has its own for a file that is cut short, or is a web page
        reason = str(error).partition("\n")[0].partition(". ")[0]
        raise checkpoint.CheckpointError(
            f"{name} ({os.path.getsize(path)} bytes) cannot be read: {reason}. Delete it and download it again: {page(name)}."
        ) from error


def join(base: Network, projection: Network) -> Network:
    """A base drive encoder with its projection inside, as one network of the host.

    Raises checkpoint.CheckpointError where they are of different generations.
    """
    shared = tuple(name for name in base.generations if name in projection.generations)
    if not shared:
        raise checkpoint.CheckpointError(
            f"{base.loaded.file} is a {base.loaded} and {projection.loaded.file} is a {projection.loaded}: "
            "base and projection must be of one generation."
        )
    base.module.projection = projection.module
    return managed(replace(base.loaded, generations=shared))


def managed(loaded: checkpoint.Loaded) -> Network:
    """A loaded network in the host's memory management: the newest that the host has, since one model of the old kind among those that
    are loaded makes the host free memory in the old way."""
    device, offload = comfy.model_management.get_torch_device(), comfy.model_management.unet_offload_device()
    patcher = getattr(comfy.model_patcher, "CoreModelPatcher", comfy.model_patcher.ModelPatcher)
    return Network(loaded, patcher(loaded.module, load_device=device, offload_device=offload))
