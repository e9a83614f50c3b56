"""The tiny UNet of the reference tensors as ComfyUI's own UNet class in a real ModelPatcher."""

from __future__ import annotations

import comfy.model_detection
import comfy.model_management
import comfy.model_patcher
import comfy.ops
import comfy.supported_models
import torch
from comfy.ldm.modules.attention import optimized_attention
from torch import Tensor

from ..unet.clip.frames import COND, UNCOND
from ..unet.hosts import comfy_attention as unet_attentions
from ..unet.hosts import comfy_hooks as unet_comfy
from ..unet.hosts import extra_items
from ..unet.patches import Capture, WeightedPatch

operations = comfy.ops.manual_cast


def patcher(
    weights: dict[str, Tensor], dtype: torch.dtype = torch.float32, cast: torch.dtype | None = None
) -> comfy.model_patcher.ModelPatcher:
    """Return a MODEL of ComfyUI from a UNet state dict with LDM names.

    dtype: of the weights; cast: of the computation, None = the same.
    """
    patcher = unfilled(comfy.model_detection.detect_unet_config(weights, ""), dtype, cast)
    missing = patcher.model.diffusion_model.load_state_dict(weights, strict=True)
    assert not missing.missing_keys
    return patcher


def unfilled(
    config: dict, dtype: torch.dtype, cast: torch.dtype | None = None, custom_operations=None
) -> comfy.model_patcher.ModelPatcher:
    """Return a MODEL from ComfyUI's UNet config, with uninitialised weights.

    custom_operations: class of its layers, None = ComfyUI's.
    """
    sd15 = comfy.supported_models.SD15(dict(config))
    sd15.custom_operations = custom_operations
    sd15.unet_config["dtype"] = dtype
    sd15.set_inference_dtype(dtype, cast)
    device = comfy.model_management.get_torch_device()
    return comfy.model_patcher.ModelPatcher(
        sd15.get_model({}, ""), load_device=device, offload_device=torch.device("cpu")
    )


class ComfyHost:
    """The tiny UNet in ComfyUI, with the interface that both backends share for the parity table."""

    name = "comfy"
    operations = operations

    def __init__(self, weights: dict[str, Tensor], dtype: torch.dtype = torch.float32):
        self.patcher, self.dtype = patcher(weights, dtype), dtype

    def features(self, latent: Tensor, context: Tensor) -> dict[str, Tensor]:
        """latent (2, 4, h, w), context (2, t, D), order [uncond, cond] -> {block boundary: (2, C, h, w)}."""
        comfy.model_management.load_models_gpu([self.patcher], force_full_load=True)
        halves = []
        for side, z, text in zip((UNCOND, COND), latent, context):
            capture = Capture()
            unet_comfy.plain_pass(
                self.patcher.model,
                z[None].to(self.patcher.load_device),
                text[None],
                [WeightedPatch(capture)],
                side,
            )
            halves.append(capture.features)
        return {boundary: torch.cat([half[boundary] for half in halves]).cpu() for boundary in halves[0]}

    def forward(
        self,
        x: Tensor,
        context: Tensor,
        timestep: float,
        patches=(),
        attentions=(),
        rows=None,
        sides: tuple[int, ...] = (UNCOND, COND),
    ) -> Tensor:
        """Run the UNet with the patches bound: x (B, 4, h, w), context (B, t,
        D), equal chunks of these sides -> its output.

        rows: a wrapper that adds extra batch items
        """
        model = self.patcher.clone()
        if patches:
            unet_comfy.bind(model, patches)
        if attentions:
            unet_attentions.bind(model, attentions, optimized_attention)
        if rows:
            extra_items.attach(model, rows, "parity")
        comfy.model_management.load_models_gpu([model], force_full_load=True)
        device = model.load_device
        timesteps = torch.full((len(x),), float(timestep), device=device)
        sigmas = model.get_model_object("model_sampling").sigma(timesteps)
        # The wrappers are placed as in ComfyUI's sampler.
        told = {"cond_or_uncond": list(sides), "sigmas": sigmas, "wrappers": model.wrappers}
        options = model.model_options["transformer_options"] | told
        with torch.no_grad():
            y = model.model.diffusion_model(
                x.to(device, self.dtype),
                timesteps,
                context=context.to(device, self.dtype),
                transformer_options=options,
            )
        unet_comfy.release(model)
        return y.cpu()
