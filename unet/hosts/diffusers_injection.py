"""Binds AnimateDiff's modules to a diffusers UNet2DConditionModel, beside `diffusers.py`: the diffusers backend.

Nothing of diffusers is imported: the UNet comes in as an argument.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from ..clip.frames import rows_of
from ..feature_cache import TargetDevice
from ..patches import PatchSet, WeightedPatch
from .comfy_injection import Place


@contextmanager
def moving(unet: nn.Module, weighted: WeightedPatch, options: Mapping[str, Any]) -> Iterator[nn.Module]:
    """While open, every call of `unet` runs a TemporalPatch after each of its layers. options: as ComfyUI's transformer_options."""
    patches = PatchSet([weighted])

    def after(place: Place):
        def hook(module: nn.Module, args: tuple, output: Tensor | tuple) -> Tensor | tuple:
            h = output[0] if isinstance(output, tuple) else output
            h = patches.prepare(rows_of(options, len(h)), TargetDevice(h.device, h.dtype), options).only(
                weighted, place, h
            )
            return (h, *output[1:]) if isinstance(output, tuple) else h

        return hook

    hooks = [_layer(unet, place).register_forward_hook(after(place)) for place in weighted.patch.sites]
    try:
        yield unet
    finally:
        for hook in hooks:
            hook.remove()


def _layer(unet: Any, place: Place) -> nn.Module:
    """The last module of a layer: its transformer, or its ResNet block where the UNet's block has no attention."""
    side, index, layer = place
    block = unet.mid_block if side == "mid" else {"down": unet.down_blocks, "up": unet.up_blocks}[side][index]
    return (getattr(block, "attentions", None) or block.resnets)[layer]
