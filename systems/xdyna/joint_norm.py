"""The group norms of X-Dyna's UNet: one mean and one spread for the reference and all frames of a window together.

The official UNet carries the frames in a dimension of their own through the norms of its ResNet blocks and of its output. Here torch's
module hooks bring them together for one UNet call, so that nothing stays in a UNet which other MODELs share.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from einops import rearrange
from torch import Tensor, nn


@contextmanager
def joint_norms(unet: nn.Module, rows: int) -> Iterator[None]:
    """While open, the group norms of `unet` (of either host) see each `rows` neighbouring rows of a batch as one picture. The norms of
    the spatial transformers stay frame by frame, as published."""

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
