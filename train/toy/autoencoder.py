"""The toy model's autoencoder: ComfyUI's tiny one (TAESD's names and
shapes), with fewer channels at high resolution.

Layers that a toy model does not need are omitted; `definition.wide_base` adds them back as layers
that change nothing. It is initialised to plain down- and upscaling of the picture, so that a
short training only has to learn the details.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...unet.networks.layers import conv3x3

FULL = 64  # channels of ComfyUI's autoencoder, at every level
ENCODER = (32, 32, 64)  # channels of the encoder's levels, from half the picture's size to the latent's
DECODER = (16, 32, 64, 64)  # channels of the decoder's levels, from the picture's size to the latent's
BOUND = 3.0  # ComfyUI limits latents to +-3 by a soft clamp before decoding
MEAN, DEVIATION = 0.55, 0.27  # mean and standard deviation of a picture's colours


class Block(nn.Module):
    """Three convolutions with a skip connection (`conv.0`, `conv.2`, `conv.4`)."""

    def __init__(self, width: int):
        super().__init__()
        self.conv = nn.Sequential(
            conv3x3(width, width),
            nn.ReLU(inplace=True),
            conv3x3(width, width),
            nn.ReLU(inplace=True),
            conv3x3(width, width),
        )
        nn.init.zeros_(self.conv[4].weight)
        nn.init.zeros_(self.conv[4].bias)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.conv(x) + x)


class Clamp(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(x / BOUND) * BOUND


def _half(a: int, b: int, stride: int = 1) -> nn.Module:
    """A layer that changes the width, and halves the size on the down path.

    Initially its first three channels carry the colours.
    """
    layer = conv3x3(a, b, stride=stride, bias=False)
    mean, smooth = torch.tensor([0.0, 0.5, 0.5]), torch.tensor([0.25, 0.5, 0.25])
    kernel = mean if stride == 2 else smooth
    _carry(layer, torch.outer(kernel, kernel))
    return layer


def _carry(layer: nn.Module, kernel: Tensor) -> None:
    with torch.no_grad():
        layer.weight[:3] *= 0.02
        for colour in range(3):
            layer.weight[colour, colour] += kernel


class TinyAutoencoder(nn.Module):
    """Converts between (B, 3, H, W) in 0..1 and (B, 4, H/8, W/8) latents."""

    def __init__(self, encoder: Sequence[nn.Module], decoder: Sequence[nn.Module]):
        super().__init__()
        self.taesd_encoder, self.taesd_decoder = nn.Sequential(*encoder), nn.Sequential(*decoder)

    @property
    def device(self) -> torch.device:
        """Device of the weights; `encode` and `decode` move their input to it."""
        return next(self.parameters()).device

    def encode(self, pictures: Tensor) -> Tensor:
        return self.taesd_encoder(pictures.to(self.device))

    def decode(self, latents: Tensor) -> Tensor:
        return self.taesd_decoder(latents.to(self.device))

    @classmethod
    def full(cls, width: int = FULL) -> TinyAutoencoder:
        """Build it with ComfyUI's layers."""

        def blocks(count: int) -> list[nn.Module]:
            return [Block(width) for _ in range(count)]

        def down() -> list[nn.Module]:
            return [conv3x3(width, width, stride=2, bias=False), *blocks(3)]

        def up() -> list[nn.Module]:
            return [nn.Upsample(scale_factor=2), conv3x3(width, width, bias=False)]

        encoder = [conv3x3(3, width), *blocks(1), *down(), *down(), *down(), conv3x3(width, 4)]
        decoder = [
            Clamp(),
            conv3x3(4, width),
            nn.ReLU(),
            *blocks(3),
            *up(),
            *blocks(3),
            *up(),
            *blocks(3),
            *up(),
            *blocks(1),
        ]
        return cls(encoder, [*decoder, conv3x3(width, 3)])

    @classmethod
    def small(cls) -> TinyAutoencoder:
        """Build the toy model's; its latents initially have a standard deviation of about 1."""
        none = nn.Identity
        b, c, d = ENCODER
        encoder = [
            none(), none(),
            _half(3, b, 2), Block(b), none(), none(),
            _half(b, c, 2), Block(c), none(), none(),
            _half(c, d, 2), Block(d), Block(d), none(),
            conv3x3(d, 4),
        ]  # fmt: skip
        a, b, c, d = DECODER
        decoder = [
            Clamp(), conv3x3(4, d), nn.ReLU(),
            Block(d), Block(d), Block(d), nn.Upsample(scale_factor=2), _half(d, c),
            Block(c), Block(c), Block(c), nn.Upsample(scale_factor=2), _half(c, b),
            Block(b), Block(b), Block(b), nn.Upsample(scale_factor=2), _half(b, a),
            Block(a), conv3x3(a, 3),
        ]  # fmt: skip
        _start(encoder[14], decoder[1], decoder[19])
        return cls(encoder, decoder)


def _start(last: nn.Module, first: nn.Module, picture: nn.Module) -> None:
    """Initialise the first three latent channels to the normalised mean colours of the latent pixels."""
    delta = torch.zeros(3, 3)
    delta[1, 1] = 1
    _carry(last, delta / DEVIATION)
    _carry(first, delta * DEVIATION)
    _carry(picture, delta)
    with torch.no_grad():
        last.bias[:3] = -MEAN / DEVIATION
        first.bias[:3] = MEAN
        picture.bias.zero_()
