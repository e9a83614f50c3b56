"""Joint group norms of X-Dyna's UNet: one mean and variance over the reference and all frames of a window.

The official UNet keeps the frames in a separate dimension through the norms of its ResNet
blocks and of its output. Here torch module hooks join the frames for one UNet call, so
nothing remains in a UNet that other MODELs share.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from einops import rearrange
from torch import Tensor, nn


@contextmanager
def joint_norms(unet: nn.Module, rows: int) -> Iterator[None]:
    """Context manager: inside it, the group norms of `unet` (ComfyUI or diffusers) treat every `rows`
    neighbouring batch items as one picture.

    The norms of the spatial transformers stay separate per frame, as in the official code.
    """

    def together(module: nn.Module, args: tuple[Tensor]) -> tuple[Tensor]:
        return (rearrange(args[0], "(v f) c h w -> v c (f h) w", f=rows),)

    def apart(module: nn.Module, args: tuple[Tensor], y: Tensor) -> Tensor:
        return rearrange(y, "v c (f h) w -> (v f) c h w", f=rows)

    hooks = [
        hook
        for norm in _norms(unet)
        for hook in (norm.register_forward_pre_hook(together), norm.register_forward_hook(apart))
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _norms(unet: nn.Module) -> Iterator[nn.GroupNorm]:
    for owner in unet.modules():
        if not hasattr(owner, "transformer_blocks"):
            yield from (module for module in owner.children() if isinstance(module, nn.GroupNorm))
