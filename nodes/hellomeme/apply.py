"""The nodes Animate Portrait, which patches the MODEL, and Portrait
Latents, which makes the latent batch of a clip.
"""

from __future__ import annotations

from typing import Any

import comfy.model_management
import torch
from comfy.model_management import get_free_memory
from comfy_api.latest import io

from ...errors import FrameCountError, SizeError
from ...sk_attention.drive import Drive, DrivePatch
from ...sk_attention.reference import Reference, ReferencePatch
from ...unet.hosts import comfy_hooks as unet_comfy
from ...unet.patches import WeightedPatch
from ...unet.strengths import EVEN, Strengths
from ..checks import require_latent, require_one_size, require_pair, require_sd15
from ..percent_range import PERCENT_RANGE, range_of
from ..schema import patched_model, schema
from ..types import DriveType, ReferenceType, StrengthsType


class Apply(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return schema(
            node_id="SKPortraitApply",
            display_name="Animate Portrait (Apply to Model)",
            category="SK Portrait",
            description="Patches a MODEL so that it draws the portrait with the driver's pose and "
            "expression, with any sampler. LoRA, ControlNet, IPAdapter and context windows keep working.",
            search_aliases=[
                "facial animation",
                "talking head",
                "talking photo",
                "animate photo",
                "lip sync",
                "avatar",
                "image to video",
                "digital human",
                "HelloMeme",
                "apply",
                "animate portrait",
                "face reenactment",
                "Apply Portrait",
            ],
            inputs=[
                io.Model.Input("model", tooltip="An SD1.5 MODEL, with LoRAs and patches as you like."),
                ReferenceType.Input(
                    "reference",
                    optional=True,
                    tooltip="From Encode Portrait Identity: the identity of the portrait. Not connected: "
                    "only the performance acts.",
                ),
                DriveType.Input(
                    "drive",
                    optional=True,
                    tooltip="From Encode Performance: pose and expression, one entry per frame. Not "
                    "connected: only the identity acts.",
                ),
                io.Float.Input(
                    "reference_strength",
                    display_name="likeness strength",
                    default=1.0,
                    min=0.0,
                    max=2.0,
                    step=0.01,
                    tooltip="How strongly the portrait's identity acts: 1 = as in the official code, 0 = "
                    "off. Lower it if a stylised checkpoint loses its style.",
                ),
                io.Float.Input(
                    "drive_strength",
                    display_name="performance strength",
                    default=1.0,
                    min=0.0,
                    max=2.0,
                    step=0.01,
                    tooltip="How strongly pose and expression act: 1 = as in the official code, 0 = off.",
                ),
                *PERCENT_RANGE,
                io.Mask.Input(
                    "mask",
                    optional=True,
                    tooltip="Where the portrait acts: white = yes; one mask, or one per frame. "
                    "Not connected: everywhere.",
                ),
                StrengthsType.Input(
                    "reference_strengths",
                    display_name="likeness by layer and step",
                    optional=True,
                    tooltip="From Portrait Strength Schedule: strengths by UNet level, step or frame, "
                    "multiplied by likeness strength.",
                ),
                StrengthsType.Input(
                    "drive_strengths",
                    display_name="performance by layer and step",
                    optional=True,
                    tooltip="From Portrait Strength Schedule: strengths by UNet level, step or frame, "
                    "multiplied by performance strength.",
                ),
            ],
            outputs=[patched_model()],
        )

    @classmethod
    def execute(
        cls,
        model: io.Model.Type,
        reference_strength: float,
        drive_strength: float,
        start_percent: float,
        end_percent: float,
        reference: Reference | None = None,
        drive: Drive | None = None,
        mask: io.Mask.Type | None = None,
        reference_strengths: Strengths = EVEN,
        drive_strengths: Strengths = EVEN,
    ) -> io.NodeOutput:
        require_sd15(model)
        if reference is not None and drive is not None:
            require_pair(reference.adapter, drive)
            if drive.size:
                require_one_size(reference, drive.size, "head pose of the drive")
        patched = model.clone()
        if start_percent >= end_percent:
            return io.NodeOutput(patched)
        percent_range = range_of(start_percent, end_percent)
        patches, patchers = [], []
        if reference is not None and reference_strength:
            patches.append(
                WeightedPatch(
                    ReferencePatch(reference), reference_strength, percent_range, mask, reference_strengths
                )
            )
            patchers.append(reference.adapter.patcher)
        if drive is not None and drive_strength:
            patches.append(
                WeightedPatch(DrivePatch(drive), drive_strength, percent_range, mask, drive_strengths)
            )
        if patches:
            unet_comfy.bind(patched, patches, patchers, get_free_memory)
        return io.NodeOutput(patched)


class SharedNoise(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return schema(
            node_id="SKPortraitSharedNoise",
            display_name="Portrait Latents (Shared Noise)",
            category="SK Portrait",
            description="Makes one latent per frame of the drive, all with the same batch index, so that "
            "KSampler starts every frame from the same noise (HelloMeme, section 3.5). Other samplers do so "
            "if they use batch indices.",
            search_aliases=["HelloMeme", "same noise", "repeat latent", "Portrait Shared Noise"],
            inputs=[
                DriveType.Input(
                    "drive", tooltip="Sets the number of latents (one per frame) and their size."
                ),
                io.Latent.Input(
                    "latent",
                    optional=True,
                    tooltip="One latent, such as the encoded portrait, or one per frame. Not connected: "
                    "empty latents.",
                ),
            ],
            outputs=[
                io.Latent.Output(
                    display_name="latent",
                    tooltip="One latent per frame, all with the batch index of the first.",
                )
            ],
        )

    @classmethod
    def execute(cls, drive: Drive, latent: io.Latent.Type | None = None) -> io.NodeOutput:
        given: dict[str, Any] = _empty(drive) if latent is None else latent
        frames, samples = len(drive), given["samples"]
        require_latent(samples, "latent")
        if len(samples) not in (1, frames):
            raise FrameCountError(
                "latent batch", len(samples), "drive", frames, "give one latent, or one per frame."
            )
        if drive.size and tuple(samples.shape[-2:]) != drive.size:
            (height, width), drawn = samples.shape[-2:], drive.size
            raise SizeError(
                f"The latent is {width * 8}x{height * 8} px and the head pose was drawn at {drawn[1] * 8}x{drawn[0] * 8} px: "
                "they must be equal. Without a latent this node makes empty ones of the right size.",
                (width * 8, height * 8),
                (drawn[1] * 8, drawn[0] * 8),
            )
        shared = dict(
            given, samples=samples.expand(frames, *samples.shape[1:]).clone(), batch_index=[0] * frames
        )
        mask = given.get("noise_mask")
        if torch.is_tensor(mask) and len(mask) == 1:
            shared["noise_mask"] = mask.expand(frames, *mask.shape[1:]).clone()
        return io.NodeOutput(shared)


def _empty(drive: Drive) -> dict[str, Any]:
    """Return one empty latent of the size of a drive."""
    assert drive.size is not None, "a drive of the nodes has the size of its head pose"
    return {"samples": torch.zeros(1, 4, *drive.size, device=comfy.model_management.intermediate_device())}


NODES = [Apply, SharedNoise]
