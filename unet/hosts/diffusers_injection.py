"""Binds AnimateDiff's modules to a diffusers UNet2DConditionModel; belongs to the diffusers backend, as
`diffusers_hooks.py` does.

Imports nothing from diffusers: the UNet is an argument.
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
    """Context manager: inside it, every call of `unet` runs the
    modules of a TemporalPatch, each after its layer.

    options: as ComfyUI's transformer_options.
    """
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
    """Return the last module of a layer: its transformer, or its
    ResNet block if the UNet's block has no attention.
    """
    side, index, layer = place
    block = unet.mid_block if side == "mid" else {"down": unet.down_blocks, "up": unet.up_blocks}[side][index]
    return (getattr(block, "attentions", None) or block.resnets)[layer]
