"""Fuses the output layer of every column pass into the convolution that follows it: two linear maps become
one, which saves one layer per feature pixel.

The result differs in the last bits only.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .attention import SKAttention


class FusedConvolution(nn.Module):
    """Computes proj(to_out(x)) with one convolution.

    The zero padding of proj follows the bias of to_out, so the bias contributes less at the edges of the
    picture. `edge` computes this contribution by convolving a picture of ones.
    """

    def __init__(self, to_out: nn.Linear, proj: nn.Conv2d, operations=nn):
        super().__init__()
        kernel = proj.weight.float()  # (o, c, 3, 3)
        (out_channels, _, *size), kept = (
            kernel.shape,
            {"device": proj.weight.device, "dtype": proj.weight.dtype},
        )
        self.conv = operations.Conv2d(
            to_out.in_features, out_channels, size, padding=proj.padding, bias=False, **kept
        )
        self.edge = operations.Conv2d(1, out_channels, size, padding=proj.padding, **kept)
        with torch.no_grad():
            self.conv.weight.copy_(torch.einsum("ocij,cd->odij", kernel, to_out.weight.float()))
            self.edge.weight.copy_(torch.einsum("ocij,c->oij", kernel, to_out.bias.float())[:, None])
            self.edge.bias.copy_(proj.bias)

    def forward(self, x: Tensor) -> Tensor:
        """x (B, C, H, W) -> (B, O, H, W)."""
        return self.conv(x).add_(self.edge(x.new_ones(1, 1, *x.shape[-2:])))


def fuse(network: nn.Module, operations=nn) -> nn.Module:
    """Fuse every SK attention of a loaded network, in place, for inference.

    The state dict then no longer matches the official file.
    """
    for module in [module for module in network.modules() if isinstance(module, SKAttention)]:
        column, convolution = module.line_attentions()[1], module.proj
        linear = column.to_out[0]
        assert isinstance(linear, nn.Linear) and isinstance(convolution, nn.Conv2d), "not fused before"
        module.proj = FusedConvolution(linear, convolution, operations).requires_grad_(False)
        column.to_out[0] = nn.Identity()
    return network
