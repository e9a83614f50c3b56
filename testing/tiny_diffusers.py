"""The tiny UNet of the reference tensors on the diffusers backend: diffusers' UNet2DConditionModel."""

from __future__ import annotations

import torch
from diffusers import UNet2DConditionModel
from diffusers.loaders.single_file_utils import convert_ldm_unet_checkpoint
from torch import Tensor, nn

from ..unet.clip.frames import COND, UNCOND
from ..unet.hosts.diffusers_attention import attending
from ..unet.hosts.diffusers_hooks import bound, plain_features


def unet(settings: dict, weights: dict[str, Tensor]) -> UNet2DConditionModel:
    """Return a diffusers UNet from a state dict with LDM names."""
    net = UNet2DConditionModel(**settings)
    prefixed = {f"model.diffusion_model.{key}": value for key, value in weights.items()}
    net.load_state_dict(convert_ldm_unet_checkpoint(prefixed, dict(net.config)))
    return net.eval().requires_grad_(False)


class DiffusersHost:
    """The tiny UNet in diffusers, with the same interface as ComfyHost."""

    name = "diffusers"
    operations = nn

    def __init__(self, settings: dict, weights: dict[str, Tensor]):
        self.unet = unet(settings, weights)

    def features(self, latent: Tensor, context: Tensor) -> dict[str, Tensor]:
        """latent (2, 4, h, w), context (2, t, D), order [uncond, cond] -> {block boundary: (2, C, h, w)}."""
        halves = [
            plain_features(self.unet, z[None], text[None], b)
            for b, z, text in zip((UNCOND, COND), latent, context)
        ]
        return {boundary: torch.cat([half[boundary] for half in halves]) for boundary in halves[0]}

    def forward(self, x: Tensor, context: Tensor, timestep: float, patches=(), attentions=()) -> Tensor:
        """Run the patched UNet: x (2 F, 4, h, w), context (2 F, t, D), first half uncond -> its output."""
        options = {"cond_or_uncond": [UNCOND, COND]}
        with bound(self.unet, patches, options), attending(self.unet, attentions, options), torch.no_grad():
            return self.unet(x, timestep, encoder_hidden_states=context).sample
