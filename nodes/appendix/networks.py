"""Loads SK cross-attention files of models/sk_portrait into ComfyUI's memory management."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

import comfy.ops
from comfy.model_patcher import ModelPatcher

from ...sk_attention.appendix.cross import SKCrossAdapter
from ...sk_attention.appendix.files import KINDS, load_cross
from ...sk_attention.checkpoint import CheckpointError
from ...unet.hosts.comfy_attention import Place
from ..folders import NETWORKS, find
from ..weights import kept_in, patcher_of, read_state

PAGE = "none: there are no public weights; `python run.py train` makes them"


Adapter = TypeVar("Adapter", bound=SKCrossAdapter)


@dataclass(frozen=True, eq=False)
class CrossNetwork(Generic[Adapter]):
    """A loaded network and the ModelPatcher by which ComfyUI loads, offloads and counts it."""

    module: Adapter
    patcher: ModelPatcher
    file: str


def open_cross(name: str, kind: type[Adapter]) -> CrossNetwork[Adapter]:
    """Load a file. Raises FileNotFoundError if it is missing, CheckpointError if it is of another kind."""
    state = read_state(find(NETWORKS, name, PAGE), name, PAGE, CheckpointError)
    dtype = kept_in(sum(value.numel() for value in state.values()))
    module = load_cross(kind, state, name, comfy.ops.manual_cast, dtype)
    return CrossNetwork(module, patcher_of(module), name)


def width_at(model, place: Place) -> int:
    """Return the number of channels of a transformer block of a MODEL's UNet."""
    config = model.model.model_config.unet_config
    side, block, _ = place
    level = {"down": block, "mid": 3, "up": 3 - block}[side]
    return config["model_channels"] * config["channel_mult"][level]


def require_fit(model, network: CrossNetwork) -> None:
    """Raise CheckpointError unless every block of a network has the width of the MODEL's block."""
    for place, block in network.module.sites.items():
        width, needed = block.norm1.weight.shape[0], width_at(model, place)
        if width != needed:
            raise CheckpointError(
                f"{network.file} ({KINDS[type(network.module)]}) does not fit this MODEL: at {place} it has {width} channels and the "
                f"MODEL has {needed}. Use a file that was trained on an SD1.5 checkpoint.",
                network.file,
            )
