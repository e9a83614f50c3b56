"""Binds patches to the block boundaries of a diffusers UNet2DConditionModel with torch module hooks.

This diffusers backend is for scripts and demos.

Imports nothing from diffusers: the UNet is an argument.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from ..clip.frames import COND, rows_of
from ..feature_cache import TargetDevice
from ..patches import Call, Capture, PatchSet, WeightedPatch


@contextmanager
def bound(unet: Any, patches: Iterable[WeightedPatch], options: Mapping[str, Any]) -> Iterator[nn.Module]:
    """Context manager: inside it, every call of `unet` runs the patches; on exit the hooks are removed.

    options: as ComfyUI's transformer_options: `cond_or_uncond`, `context_window`;
    inside a run also the run, `uuids` and `sigmas`.
    """
    binding = _Binding(PatchSet(patches), options)
    hooks = [
        unet.time_embedding.register_forward_hook(binding.begin),
        unet.mid_block.register_forward_hook(binding.middle),
        *(
            block.register_forward_hook(binding.leave_down(f"down_{i}"))
            for i, block in enumerate(unet.down_blocks)
        ),
        *(
            block.register_forward_pre_hook(binding.enter_up(f"up_{i}"), with_kwargs=True)
            for i, block in enumerate(unet.up_blocks)
        ),
    ]
    try:
        yield unet
    finally:
        for hook in hooks:
            hook.remove()
        binding.patch_set.release()


@torch.no_grad()
def plain_features(unet: nn.Module, latents: Tensor, context: Tensor, side: int = COND) -> dict[str, Tensor]:
    """Return the features at every block boundary of one forward at timestep 0 over clean latents.

    latents: (N, 4, h, w); context: (1 or N, t, D) text embedding; side: COND or UNCOND.
    """
    capture = Capture()
    with bound(unet, [WeightedPatch(capture)], {"cond_or_uncond": [side]}):
        unet(latents, 0, encoder_hidden_states=context.expand(len(latents), -1, -1))
        return capture.features


class _Binding:
    def __init__(self, patches: PatchSet, options: Mapping[str, Any]):
        self.patch_set, self.options = patches, options
        self.call = Call(0)  # of the current UNet call

    def begin(self, module: nn.Module, args: tuple, emb: Tensor) -> None:
        rows, target = rows_of(self.options, emb.shape[0]), TargetDevice(emb.device, emb.dtype)
        self.call = self.patch_set.prepare(rows, target, self.options)._replace(emb=emb)

    def leave_down(self, boundary: str):
        def hook(module: nn.Module, args: tuple, output: tuple) -> tuple:
            h, skips = output
            skip = self.call.before_skip(boundary, h)
            return self.call.after_skip(boundary, skip), (*skips[:-1], skip)

        return hook

    def middle(self, module: nn.Module, args: tuple, h: Tensor) -> Tensor:
        return self.call.all("mid", h)

    def enter_up(self, boundary: str):
        def hook(module: nn.Module, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
            return args, kwargs | {"hidden_states": self.call.all(boundary, kwargs["hidden_states"])}

        return hook
