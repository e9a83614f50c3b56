"""Synthetic X-Dyna files in the official formats, as wide as the synthetic checkpoint. Every picture made with them is noise."""

from __future__ import annotations

import re

import torch

from ...systems.xdyna.adapter import PLACES, DynamicsAdapter
from ...systems.xdyna.resampler import Resampler
from ...unet.networks.animatediff import AnimateDiff
from .shapes import CONTEXT, WIDTH, Shapes, controlnet

TABLE_LENGTH = 24  # of AnimateDiff v1
STATES, QUERIES = 1280, 16  # of CLIP ViT-H, and the tokens of a picture
INSIDE = 128  # width of the synthetic Resampler; the published one is as wide as the text

# diffusers' names of a motion module -> AnimateDiff's own, as X-Dyna and AnimateDiff publish them.
OWN_NAMES = (
    (r"(motion_modules\.\d+\.)", r"\1temporal_transformer."),
    (r"\.attn1\.", ".attention_blocks.0."),
    (r"\.attn2\.", ".attention_blocks.1."),
    (r"\.norm1\.", ".norms.0."),
    (r"\.norm2\.", ".norms.1."),
    (r"\.norm3\.", ".ff_norm."),
    (r"\.pos_embed\.", ".attention_blocks.0.pos_encoder."),
)


def own_name(key: str) -> str:
    """AnimateDiff's own name of a tensor of a motion module."""
    for pattern, replacement in OWN_NAMES:
        key = re.sub(pattern, replacement, key)
    return key


def _shapes(network: torch.nn.Module, prefix: str = "") -> Shapes:
    return {prefix + key: tuple(value.shape) for key, value in network.state_dict().items()}


def unet(width: int = WIDTH, context: int = CONTEXT) -> Shapes:
    """The UNet file: Dynamics-Adapter, image attention and motion modules, without SD1.5's own tensors."""
    with torch.device("meta"):
        adapter = DynamicsAdapter(dict.fromkeys(PLACES, width), context)
        motion = AnimateDiff([width] * 4, [width] * 4, None, TABLE_LENGTH)
    own = {own_name(key): shape for key, shape in _shapes(motion).items()}
    second = {
        key.replace("blocks.0.pos", "blocks.1.pos"): shape for key, shape in own.items()
    }  # both attentions hold the table
    return _shapes(adapter) | own | {key: shape for key, shape in second.items() if key.endswith(".pe")}


def tokens(context: int = CONTEXT) -> Shapes:
    """ip-adapter-plus_sd15, of which only the Resampler is needed beside the UNet file."""
    with torch.device("meta"):
        return _shapes(
            Resampler(STATES, INSIDE, context, 1, INSIDE, INSIDE // 64, QUERIES, 4 * INSIDE), "image_proj."
        )


# Official name -> its tensors.
FILES = {
    "unet-checkpoint-epoch-5.ckpt": unet,
    "ip-adapter-plus_sd15.safetensors": tokens,
    "controlnet-checkpoint-epoch-5.ckpt": lambda: controlnet(3),
    "controlnet-face-checkpoint-epoch-2.ckpt": lambda: controlnet(6),
}
