"""Synthetic X-Dyna files in the official formats, at the width of the synthetic checkpoint.

All pictures made with them are noise.
"""

from __future__ import annotations

import re

import torch

from ...systems.xdyna.adapter import PLACES, DynamicsAdapter
from ...systems.xdyna.resampler import Resampler
from ...unet.networks.animatediff import AnimateDiff
from .shapes import CONTEXT, WIDTH, Shapes, controlnet

TABLE_LENGTH = 24  # of AnimateDiff v1
STATES, QUERIES = 1280, 16  # channels of CLIP ViT-H's hidden states, and tokens per picture
INSIDE = 128  # inner channels of the synthetic Resampler; the official one has as many as the text

# diffusers' names of a motion module -> AnimateDiff's own names, as in the files of X-Dyna and AnimateDiff.
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
    """Return AnimateDiff's own name for a tensor of a motion module."""
    for pattern, replacement in OWN_NAMES:
        key = re.sub(pattern, replacement, key)
    return key


def _shapes(network: torch.nn.Module, prefix: str = "") -> Shapes:
    return {prefix + key: tuple(value.shape) for key, value in network.state_dict().items()}


def unet(width: int = WIDTH, context: int = CONTEXT) -> Shapes:
    """Shapes of the UNet file: Dynamics-Adapter, image attention, motion modules; nothing of SD1.5's own."""
    with torch.device("meta"):
        adapter = DynamicsAdapter(dict.fromkeys(PLACES, width), context)
        motion = AnimateDiff([width] * 4, [width] * 4, None, TABLE_LENGTH)
    own = {own_name(key): shape for key, shape in _shapes(motion).items()}
    second = {
        key.replace("blocks.0.pos", "blocks.1.pos"): shape for key, shape in own.items()
    }  # both attentions hold the table
    return _shapes(adapter) | own | {key: shape for key, shape in second.items() if key.endswith(".pe")}


def tokens(context: int = CONTEXT) -> Shapes:
    """Shapes of ip-adapter-plus_sd15, of which only the Resampler is needed together with the UNet file."""
    with torch.device("meta"):
        return _shapes(
            Resampler(STATES, INSIDE, context, 1, INSIDE, INSIDE // 64, QUERIES, 4 * INSIDE), "image_proj."
        )


# Official name -> function that returns its shapes.
FILES = {
    "unet-checkpoint-epoch-5.ckpt": unet,
    "ip-adapter-plus_sd15.safetensors": tokens,
    "controlnet-checkpoint-epoch-5.ckpt": lambda: controlnet(3),
    "controlnet-face-checkpoint-epoch-2.ckpt": lambda: controlnet(6),
}
