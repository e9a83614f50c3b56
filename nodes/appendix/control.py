"""Apply ControlNetSK: edges, or another condition picture, are encoded by the UNet of the MODEL itself."""

from __future__ import annotations

from collections.abc import Collection

import comfy.model_management
import torch
from comfy.model_management import get_free_memory
from comfy_api.latest import io

from ...sk_attention.appendix.control import ControlPatch
from ...sk_attention.reference import Reference
from ...unet.clip.frames import COND, UNCOND
from ...unet.hosts import comfy_hooks as unet_comfy
from ...unet.patches import Capture, WeightedPatch
from ..checks import require_control, require_latent, require_sd15
from ..hellomeme.encode import notice_trained_size
from ..hellomeme.networks import Network, load_plain
from ..percent_range import PERCENT_RANGE, range_of
from ..pixels import require_pictures
from ..progress import ticker
from ..schema import schema
from ..types import AdapterType

WORDS = 77  # tokens of the empty text with which the condition is encoded


class ApplyControlNetSK(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return schema(
            node_id="SKPortraitApplyControlNetSK",
            display_name="Apply ControlNetSK",
            category="SK Portrait",
            description="Controls a MODEL with a condition picture, such as Canny edges, through SK "
            "attention (HelloMeme, appendix A). There are no public weights: train your own with `python "
            "run.py train controlnet-sk`.",
            search_aliases=["ControlNetSK", "ControlNet", "canny", "SK attention", "HelloMeme"],
            inputs=[
                io.Model.Input("model", tooltip="An SD1.5 MODEL, with LoRAs and patches as you like."),
                AdapterType.Input(
                    "adapter", tooltip="From Load HelloMeme Reference Model with a ControlNetSK file."
                ),
                io.Vae.Input("vae", tooltip="The VAE of the checkpoint, to encode the condition picture."),
                io.Image.Input(
                    "image",
                    tooltip="The condition, such as Canny edges, at the sampled size. One picture, or one "
                    "per frame.",
                ),
                io.Float.Input(
                    "strength",
                    default=1.0,
                    min=0.0,
                    max=2.0,
                    step=0.01,
                    tooltip="Strength of the condition: 1 = as trained, 0 = off.",
                ),
                *PERCENT_RANGE,
                io.Mask.Input(
                    "mask",
                    optional=True,
                    tooltip="Where the condition acts: white = full strength; one mask, or one per frame. Not "
                    "connected: everywhere.",
                ),
            ],
            outputs=[
                io.Model.Output(
                    display_name="model",
                    tooltip="The patched MODEL, for any sampler or another Apply ControlNetSK. The input "
                    "MODEL is not changed.",
                )
            ],
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def execute(
        cls,
        model: io.Model.Type,
        adapter: Network,
        vae: io.Vae.Type,
        image: io.Image.Type,
        strength: float,
        start_percent: float,
        end_percent: float,
        mask: io.Mask.Type | None = None,
    ) -> io.NodeOutput:
        require_sd15(model)
        require_control(adapter)
        patched = model.clone()
        if not strength or start_percent >= end_percent:
            return io.NodeOutput(patched)
        require_pictures(image, "the condition")
        samples = vae.encode(image[..., :3])
        require_latent(samples, "condition's latent")
        size = tuple(samples.shape[-2:])
        notice_trained_size(cls, adapter, size)
        reference = Reference(seen(model, adapter.module.sites, samples), size, adapter)
        percent_range = range_of(start_percent, end_percent)
        patch = WeightedPatch(ControlPatch(reference), strength, percent_range, mask)
        unet_comfy.bind(patched, [patch], [adapter.patcher], get_free_memory)
        return io.NodeOutput(patched)


def seen(model: io.Model.Type, sites: Collection[str], samples: torch.Tensor) -> dict[str, torch.Tensor]:
    """Return the UNet's features of P condition latents and of one
    empty latent, per block boundary (P + 1, C, h, w).

    The features are on the offload device.
    """
    plain = load_plain(model)
    base, device = plain.model, plain.load_device
    clean = base.process_latent_in(samples).to(device)
    text = torch.zeros(1, WORDS, base.model_config.unet_config["context_dim"])
    keep, tick = comfy.model_management.unet_offload_device(), ticker(len(samples) + 1)
    passes = [*((COND, latent[None]) for latent in clean), (UNCOND, torch.zeros_like(clean[:1]))]
    found = []
    for done, (side, latent) in enumerate(passes, 1):
        capture = Capture(sites)
        unet_comfy.plain_pass(base, latent, text, [WeightedPatch(capture)], side)
        found.append({name: feature.to(keep) for name, feature in capture.features.items()})
        tick(done)
    return {name: torch.cat([each[name] for each in found]) for name in found[0]}


NODES = [ApplyControlNetSK]
