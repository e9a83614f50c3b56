"""Puts AnimateDiff's modules into the blocks of ComfyUI's UNet: the one kind of module that sits between a block's layers and its
Upsample, where ComfyUI has no hook but offers injections.

What is injected is a marker without weights: the UNet's state dict, size and LoRA names never see the modules. Nothing of the
host is imported.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

from torch import Tensor, nn

from ..clip.frames import Rows
from ..feature_cache import TargetDevice
from ..networks.animatediff import AnimateDiff
from ..patches import MOTION, Call, WeightedPatch
from .comfy_hooks import KEY, FreeMemory, bind, unlimited
from .extra_items import on_frames

Place = tuple[str, int, int]  # side, UNet block, layer: a key of AnimateDiff.sites()
KINDS = (
    "SpatialTransformer",
    "ResBlock",
)  # a module follows the last layer of the first of these kinds that its block has


class TemporalPatch:
    """AnimateDiff as a patch: at each place the frames of a chunk attend to each other."""

    order = MOTION

    def __init__(self, network: AnimateDiff):
        self.sites = network.sites()

    def prepare(self, rows: Rows, target: TargetDevice) -> None:
        """Nothing is needed."""

    def __call__(self, place: Place, h: Tensor, prepared: None, call: Call) -> Tensor:
        """h (chunks x frames, c, h, w) -> the same shape."""
        return self.sites[place](h, call.chunk)

    def release(self) -> None:
        """Nothing is kept for a run."""


class Marker(nn.Module):
    """Stands in the UNet where the module of `place` acts. It owns no tensor, and no copy of a MODEL copies it."""

    def __init__(self, weighted: WeightedPatch, place: Place):
        super().__init__()
        self.weighted, self.place = weighted, place

    def __deepcopy__(self, memo) -> Marker:
        return self

    def forward(self, h: Tensor) -> Tensor:
        """Without the handler there is no knowing the frames, and ComfyUI always finds the handler."""
        return h


def handle(layer: Marker, h: Tensor, emb: Tensor, context: Tensor, options: Mapping, *_) -> Tensor:
    """ComfyUI's forward_timestep_embed patch for markers."""
    return on_frames(partial(options[KEY].only, layer.weighted, layer.place), h, options)


class Injection:
    """The markers of one AnimateDiff in one MODEL. All clones of a MODEL share one UNet, so both ways can be repeated safely and
    take out what they put in, by identity, and nothing else."""

    def __init__(self, weighted: WeightedPatch):
        self.markers = [Marker(weighted, place) for place in weighted.patch.sites]

    def inject(self, patcher: Any) -> None:
        """Put every marker right after its layer."""
        for marker in self.markers:
            block = block_at(patcher.model.diffusion_model, marker.place)
            layers = list(block)
            if marker not in layers:
                kinds = [type(layer).__name__ for layer in layers]
                kind = next(kind for kind in KINDS if kind in kinds)
                block.insert(len(kinds) - kinds[::-1].index(kind), marker)

    def eject(self, patcher: Any) -> None:
        """Take the markers out again."""
        for marker in self.markers:
            block = block_at(patcher.model.diffusion_model, marker.place)
            layers = list(block)
            if marker in layers:
                del block[layers.index(marker)]


def attach(
    patcher: Any, weighted: WeightedPatch, patchers: Iterable[Any] = (), free_memory: FreeMemory = unlimited
) -> None:
    """Give a freshly cloned MODEL a TemporalPatch. patchers, free_memory: as of `bind`.

    ComfyUI leaves injections in the UNet after a run, until another MODEL is loaded. Ours are there only while a run lasts: markers
    in the middle of a block shift the names of the layers behind them, which a LoRA loader would see.
    """
    bind(patcher, [weighted], patchers, free_memory)
    injection = Injection(weighted)
    patcher.set_injections(KEY, [*(patcher.get_injections(KEY) or ()), injection])
    patcher.add_callback_with_key("on_pre_run", KEY, injection.inject)
    patcher.add_callback_with_key("on_cleanup", KEY, injection.eject)
    patches = patcher.model_options["transformer_options"].get("patches", {})
    if (Marker, handle) not in patches.get("forward_timestep_embed_patch", ()):
        patcher.set_model_forward_timestep_embed_patch((Marker, handle))


def block_at(unet: Any, place: Place) -> nn.Sequential:
    """(side, block, layer) of diffusers as ComfyUI counts: three blocks a level, on the way down the third is a Downsample."""
    side, block, layer = place
    if side == "mid":
        return unet.middle_block
    return (
        unet.input_blocks[1 + 3 * block + layer] if side == "down" else unet.output_blocks[3 * block + layer]
    )
