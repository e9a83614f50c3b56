"""The networks of W+ and X-Dyna of the reference tensors, through the pack's loaders."""

from __future__ import annotations

import json
from types import SimpleNamespace

import torch
from torch import Tensor

from ..systems.wplus.adapter import WPlus, load
from ..systems.xdyna import checkpoint, hints
from ..systems.xdyna.adapter import DynamicsAdapter
from ..systems.xdyna.resampler import Resampler
from ..unet.networks.animatediff import AnimateDiff, diffusers_names
from .golden import Golden
from .golden_networks import WIDTHS

TEXT_WIDTH = 64
# Channels of the tiny UNet's cross-attentions: down, up, middle.
CROSS_ATTENTIONS = (32, 32, 64, 64, 128, 128, 128, 128, 128, 64, 64, 64, 32, 32, 32, 128)
TEXT, TOKENS = 77, 16
TABLE_LENGTH = 24


def wplus_of(golden: Golden, host) -> WPlus:
    """The golden W+ adapter at the tiny UNet's sizes, through the pack's own loader."""
    network = WPlus(TEXT_WIDTH, CROSS_ATTENTIONS, host.operations)
    golden.fill(network.w_proj, "wplus_proj")
    golden.fill(network.wplus_adapter, "wplus_adapter")
    return load(network.state_dict(), "wplus_adapter.bin", host.operations)


def keys_of(golden: Golden) -> dict:
    return json.loads((golden.folder / "keys.json").read_text())


def extra_weights(golden: Golden) -> dict[str, Tensor]:
    """Weights that X-Dyna adds to the tiny UNet, with official names."""
    shapes = {
        key: tuple(shape)
        for key, shape in keys_of(golden)["xdyna_unet_extra_shapes"].items()
        if not key.endswith(".pe")
    }
    return golden.weights("xdyna_unet", shapes)


def adapter_of(golden: Golden, operations) -> DynamicsAdapter:
    """The golden Dynamics-Adapter with its image attention, through the pack's own loader."""
    parts = checkpoint.split(extra_weights(golden), "xdyna_unet")
    return checkpoint.adapter(parts.reference, parts.image, "xdyna_unet", operations)


def motion_of(golden: Golden, operations) -> AnimateDiff:
    """The golden motion modules."""
    weights = diffusers_names(
        {key: value for key, value in extra_weights(golden).items() if "motion_modules" in key}
    )
    network = AnimateDiff(WIDTHS, WIDTHS[::-1], None, TABLE_LENGTH, operations)
    network.load_state_dict(
        {key: value for key, value in weights.items() if not key.endswith("pos_embed.pe")}, strict=False
    )
    network.norm_each_frame()
    return network.eval().requires_grad_(False)


def loaded(adapter: DynamicsAdapter, motion: AnimateDiff | None, resampler: Resampler | None = None):
    """Return an SK_XDYNA with these networks. Needs ComfyUI."""
    from ..nodes.weights import patcher_of
    from ..nodes.xdyna.networks import XDyna

    network = motion and SimpleNamespace(
        module=motion, patcher=patcher_of(motion), loaded=SimpleNamespace(file="motion")
    )
    return XDyna(patcher_of(adapter), resampler and patcher_of(resampler), network, "")


def controlnet_of(golden: Golden, kind: str):
    """Return a golden ControlNet as ComfyUI's class, which reads its picture's channels from the weights."""
    import comfy.cldm.cldm
    import comfy.model_detection
    import comfy.ops
    import comfy.supported_models

    keys = keys_of(golden)
    shapes = {key: tuple(shape) for key, shape in keys["controlnet_face_shapes"].items()}
    shapes["controlnet_cond_embedding.conv_in.weight"] = (16, {"pose": 3, "face": 6}[kind], 3, 3)
    weights = golden.weights(f"xdyna_controlnet_{kind}", shapes)
    for key, value in weights.items():
        if key.startswith("controlnet_cond_embedding") and value.ndim == 4:
            weights[key] = value * golden.index["cases"]["xdyna_controlnet"]["hint_gain"]
    config = (
        comfy.model_detection.detect_unet_config(golden.unet_weights(), "")
        | comfy.supported_models.SD15.unet_extra_config
    )
    config = {name: value for name, value in config.items() if name not in ("out_channels", "dtype")}
    hint = shapes["controlnet_cond_embedding.conv_in.weight"][1]
    network = comfy.cldm.cldm.ControlNet(
        **config, dtype=torch.float32, hint_channels=hint, operations=comfy.ops.manual_cast
    )
    network.load_state_dict(
        {keys["controlnet_ldm_of_diffusers"][key]: value for key, value in weights.items()}
    )
    return network.eval().requires_grad_(False)


def hints_of(golden: Golden, frames: int) -> dict[str, Tensor]:
    """The golden hint pictures of a clip of `frames` frames, (F, H, W, 3) and (F, H, W, 6)."""
    clips = {name: clip[:frames] / 255 for name, clip in golden.tensors("xdyna_hints").items()}
    return {"pose": hints.stretched(clips["pose"]), "face": hints.face_hint(clips["local"], clips["global"])}
