"""The pack's node classes, and tiny networks for them. Needs ComfyUI in this process."""

from __future__ import annotations

import asyncio

import torch

from .cached import cached
from .stand_ins import networks
from .tracks import track_of


@cached
def nodes() -> dict[str, type]:
    """Return {node id: class}, as ComfyUI gets them."""
    from .. import nodes as pack
    from ..nodes import folders

    folders.register()
    listed = asyncio.run(pack.SKPortraitExtension().get_node_list())
    return {node.define_schema().node_id: node for node in listed}


def node(name: str) -> type:
    """Return a node class by its id."""
    return nodes()[name]


@cached
def tiny_host():
    """The tiny SD1.5 MODEL with our nodes."""
    from .tiny_models import Host

    return Host()


@cached
def encoder(version: str):
    """An SK_DRIVE_ENCODER with a tiny network."""
    from ..nodes.hellomeme.networks import join, managed
    from ..sk_attention.checkpoint import load
    from .tiny_comfy import operations

    def of(name: str):
        return managed(load(networks.build(name, 64).state_dict(), name, operations))

    return of("hm2_control") if version == "v2" else join(of("hm5_control_base"), of("hm5_control_proj"))


def grey(
    count: int = 1, width: int = 640, height: int = 480, channels: int = 3, value: float = 0.5
) -> torch.Tensor:
    """Return uniform pictures (count, height, width, channels)."""
    return torch.full((count, height, width, channels), value)


def crop(images: torch.Tensor):
    """Run Crop Portrait at 128 px, for `track_of`."""
    return node("SKPortraitCropPortrait").execute(images, track_of(len(images)), "v2", 0.0, 128)
