"""Inserts AnimateDiff's modules into the blocks of ComfyUI's UNet.

They act between a block's layers and its Upsample, where ComfyUI has no hook but offers injections.

A marker without weights is inserted, so the modules change neither the UNet's state dict nor its size nor the
names that LoRAs use. Imports nothing from ComfyUI.
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
# A module follows the last layer of the first of these kinds that its block has.
KINDS = (
    "SpatialTransformer",
    "ResBlock",
)


class TemporalPatch:
    """AnimateDiff as a patch: at each place, every latent pixel attends over the frames of its chunk."""

    order = MOTION

    def __init__(self, network: AnimateDiff):
        self.sites = network.sites()

    def prepare(self, rows: Rows, target: TargetDevice) -> None:
        """Do nothing: the modules need no preparation."""

    def __call__(self, place: Place, h: Tensor, prepared: None, call: Call) -> Tensor:
        """h (chunks x frames, c, h, w) -> the same shape."""
        return self.sites[place](h, call.chunk)

    def release(self) -> None:
        """Do nothing: no state is kept for a run."""


class Marker(nn.Module):
    """Marks the position in the UNet where the module of `place` acts.

    It owns no tensor, and copies of a MODEL share it.
    """

    def __init__(self, weighted: WeightedPatch, place: Place):
        super().__init__()
        self.weighted, self.place = weighted, place

    def __deepcopy__(self, memo) -> Marker:
        return self

    def forward(self, h: Tensor) -> Tensor:
        """Return h unchanged. ComfyUI calls `handle` instead, which knows the frames."""
        return h


def handle(layer: Marker, h: Tensor, emb: Tensor, context: Tensor, options: Mapping, *_) -> Tensor:
    """ComfyUI's forward_timestep_embed patch for markers: run the module of the marker on the frames."""
    return on_frames(partial(options[KEY].only, layer.weighted, layer.place), h, options)


class Injection:
    """The markers of one AnimateDiff in one MODEL.

    All clones of a MODEL share one UNet. So both methods may be called repeatedly, and `eject` removes only
    these markers, by identity.
    """

    def __init__(self, weighted: WeightedPatch):
        self.markers = [Marker(weighted, place) for place in weighted.patch.sites]

    def inject(self, patcher: Any) -> None:
        """Insert every marker right after its layer."""
        for marker in self.markers:
            block = block_at(patcher.model.diffusion_model, marker.place)
            layers = list(block)
            if marker not in layers:
                kinds = [type(layer).__name__ for layer in layers]
                kind = next(kind for kind in KINDS if kind in kinds)
                block.insert(len(kinds) - kinds[::-1].index(kind), marker)

    def eject(self, patcher: Any) -> None:
        """Remove the markers."""
        for marker in self.markers:
            block = block_at(patcher.model.diffusion_model, marker.place)
            layers = list(block)
            if marker in layers:
                del block[layers.index(marker)]


def attach(
    patcher: Any, weighted: WeightedPatch, patchers: Iterable[Any] = (), free_memory: FreeMemory = unlimited
) -> None:
    """Add a TemporalPatch to a freshly cloned MODEL. patchers, free_memory: as in `bind`.

    ComfyUI leaves injections in the UNet after a run, until another MODEL is loaded. These
    markers are removed when a run ends, because a marker inside a block shifts the names of
    the layers after it, which a LoRA loader reads.
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
    """Return ComfyUI's block for (side, block, layer) in diffusers' numbering.

    ComfyUI has three blocks per level; on the down path the third is a Downsample.
    """
    side, block, layer = place
    if side == "mid":
        return unet.middle_block
    return (
        unet.input_blocks[1 + 3 * block + layer] if side == "down" else unet.output_blocks[3 * block + layer]
    )
