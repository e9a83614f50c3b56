"""Puts AnimateDiff's modules into the blocks of ComfyUI's UNet: the one kind of module that sits between a block's layers and its
Upsample, where the host has no hook but offers injections.

What is injected is a marker without weights: the UNet's state dict, size and LoRA names never see the modules. Nothing of the host
is imported.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor, nn

from .animatediff import AnimateDiff
from .frames import rows_of
from .stations import MOTION, Call, Weighted

Place = tuple[str, int, int]  # side, UNet block, layer: a key of AnimateDiff.sites()
LAYERS = ("ResBlock", "SpatialTransformer")  # a module follows the last of these in its block


class TemporalAction:
    """AnimateDiff as an action: at each place the frames of a chunk attend to each other."""

    order = MOTION

    def __init__(self, network: AnimateDiff):
        self.sites = network.sites()

    def __call__(self, place: Place, h: Tensor, call: Call) -> Tensor:
        """h (chunks x frames, c, h, w) -> the same shape."""
        return self.sites[place](h, call.rows.chunk)

    def release(self) -> None:
        """Nothing is kept for a run."""


class Marker(nn.Module):
    """Stands in the UNet where the module of `place` acts. It owns no tensor, and no copy of a MODEL copies it."""

    def __init__(self, weighted: Weighted, place: Place):
        super().__init__()
        self.weighted, self.place = weighted, place

    def __deepcopy__(self, memo) -> Marker:
        return self

    def forward(self, h: Tensor) -> Tensor:
        """Without the handler there is no knowing the frames, and the host always finds the handler."""
        return h


def handle(layer: Marker, h: Tensor, emb: Tensor, context: Tensor, options: Mapping, *_) -> Tensor:
    """The host's forward_timestep_embed patch for markers."""
    sigmas = options.get("sigmas")
    call = Call(rows_of(options, len(h)), emb, None if sigmas is None else float(sigmas.max()))
    return layer.weighted(layer.place, h, call)


class Injection:
    """The markers of one AnimateDiff in one MODEL. All clones of a MODEL share one UNet, so both ways can be repeated safely and take
    out what they put in, by identity, and nothing else."""

    def __init__(self, weighted: Weighted):
        self.markers = [Marker(weighted, place) for place in weighted.action.sites]

    def inject(self, patcher: Any) -> None:
        """Put every marker right after its layer."""
        unet = patcher.model.diffusion_model
        for marker in self.markers:
            block = _block(unet, marker.place)
            if _index(block, lambda layer, marker=marker: layer is marker) is None:
                last = _index(block, lambda layer: type(layer).__name__ in LAYERS)
                block.insert(last + 1, marker)

    def eject(self, patcher: Any) -> None:
        """Take the markers out again."""
        unet = patcher.model.diffusion_model
        for marker in self.markers:
            block = _block(unet, marker.place)
            if (index := _index(block, lambda layer, marker=marker: layer is marker)) is not None:
                del block[index]


def _block(unet: nn.Module, place: Place) -> nn.Sequential:
    """diffusers' (side, block, layer) as the host counts: three blocks a level, of which the last on the way down halves the picture."""
    side, block, layer = place
    if side == "mid":
        return unet.middle_block
    return unet.input_blocks[1 + 3 * block + layer] if side == "down" else unet.output_blocks[3 * block + layer]


def _index(block: nn.Sequential, wanted: Callable[[nn.Module], bool]) -> int | None:
    """Index of the last layer that is wanted; the middle block ends in a ResBlock that comes after its transformer."""
    found = [i for i, layer in enumerate(block) if wanted(layer)]
    return found[-1] if found else None
