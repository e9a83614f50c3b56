"""The networks that are trained: a frozen UNet with one network of appendix A.

Axis letters: B pictures, h w latent pixels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ...sk_attention.appendix.cross import FaceIDAdapter, TextAdapter
from ...sk_attention.appendix.patch import FaceIDPatch, TextPatch
from ...unet.clip.curve import Curve
from ...unet.clip.frames import COND
from ...unet.hosts.comfy_attention import AttentionPatch
from ...unet.hosts.diffusers_attention import attending
from ...unet.hosts.diffusers_hooks import bound
from ...unet.patches import WeightedPatch
from ..objective import Attending, look

OPTIONS = {"cond_or_uncond": [COND]}


@dataclass(frozen=True)
class Batch:
    """One training step.

    latents, noise (B, 4, h, w); timesteps (B,); mask (B, 1, h, w), zeros; text (B, 77, D);
    dropped (B,) bool: samples without the condition; condition: edges (B, 3, H, W) in
    -1..1, embeddings (B, 512), or nothing (B, 0)
    """

    latents: Tensor
    noise: Tensor
    timesteps: Tensor
    mask: Tensor
    text: Tensor
    dropped: Tensor
    condition: Tensor


class Controlled(nn.Module):
    """ControlNetSK: the UNet encodes the edges at timestep 0 without
    text, and the adapter attends to these features.
    """

    def __init__(self, unet: nn.Module, adapter: nn.Module, encode: Callable[[Tensor], Tensor]):
        super().__init__()
        self.unet, self.adapter, self.encode = unet, adapter, encode

    def forward(self, noisy: Tensor, timesteps: Tensor, batch: Batch) -> Tensor:
        with torch.no_grad():
            latents = self.encode(batch.condition) * (~batch.dropped)[:, None, None, None]
            seen = look(self.unet, latents, torch.zeros_like(batch.text), self.adapter.sites)
        patches = [WeightedPatch(Attending(self.adapter, seen))]
        with bound(self.unet, patches, {"cond_or_uncond": [COND] * len(noisy)}):
            return self.unet(noisy, timesteps, encoder_hidden_states=batch.text).sample


class Crossed(nn.Module):
    """A UNet with FaceID or with the SK text attention."""

    def __init__(self, unet: nn.Module, adapter: FaceIDAdapter | TextAdapter):
        super().__init__()
        self.unet, self.adapter = unet, adapter

    def patch(self, batch: Batch) -> AttentionPatch:
        if isinstance(self.adapter, TextAdapter):
            return TextPatch(self.adapter)
        return FaceIDPatch(self.adapter, batch.condition * (~batch.dropped)[:, None], Curve.constant(1.0))

    def forward(self, noisy: Tensor, timesteps: Tensor, batch: Batch) -> Tensor:
        with attending(self.unet, [self.patch(batch)], OPTIONS):
            return self.unet(noisy, timesteps, encoder_hidden_states=batch.text).sample
