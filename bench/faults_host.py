"""What rows of faults need of the host: every node of the pack, and a narrow MODEL and drive encoder. Needs ComfyUI."""

from __future__ import annotations

import asyncio
from functools import cache

from ..testing.stand_ins import networks


@cache
def nodes() -> dict[str, type]:
    """Node id -> class, as the host gets them."""
    from .. import nodes as pack
    from ..nodes import folders

    folders.register()
    listed = asyncio.run(pack.SKPortraitExtension().get_node_list())
    return {node.define_schema().node_id: node for node in listed}


@cache
def narrow():
    from ..testing.tiny_models import Host

    return Host()


@cache
def encoder(generation: str):
    """An SK_DRIVE_ENCODER of a narrow net."""
    from ..nodes.hellomeme.networks import join, managed
    from ..sk_attention.checkpoint import load
    from ..testing.tiny_comfy import operations

    def of(name: str):
        return managed(load(networks.build(name, 64).state_dict(), name, operations))

    return of("hm2_control") if generation == "v2" else join(of("hm5_control_base"), of("hm5_control_proj"))
