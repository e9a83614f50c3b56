"""Converts names of a diffusers UNet of SD1.5's topology to those of a checkpoint file (LDM names)."""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

PREFIX = "model.diffusion_model."

# The first pattern that matches a layer's path gives its name.
LAYERS = (
    (r"conv_in", lambda m: "input_blocks.0.0"),
    (r"time_embedding\.linear_(\d)", lambda m: f"time_embed.{2 * int(m[1]) - 2}"),
    (r"conv_norm_out", lambda m: "out.0"),
    (r"conv_out", lambda m: "out.2"),
    (r"down_blocks\.(\d)\.downsamplers\.0\.conv", lambda m: f"input_blocks.{3 * int(m[1]) + 3}.0.op"),
    (
        r"down_blocks\.(\d)\.(resnets|attentions)\.(\d)",
        lambda m: f"input_blocks.{3 * int(m[1]) + int(m[3]) + 1}.{_slot(m[2])}",
    ),
    (r"mid_block\.resnets\.(\d)", lambda m: f"middle_block.{2 * int(m[1])}"),
    (r"mid_block\.attentions\.0", lambda m: "middle_block.1"),
    (
        r"up_blocks\.(\d)\.upsamplers\.0\.conv",
        lambda m: f"output_blocks.{3 * int(m[1]) + 2}.{1 if m[1] == '0' else 2}.conv",
    ),
    (
        r"up_blocks\.(\d)\.(resnets|attentions)\.(\d)",
        lambda m: f"output_blocks.{3 * int(m[1]) + int(m[3])}.{_slot(m[2])}",
    ),
)
RESNET = {
    "norm1": "in_layers.0", "conv1": "in_layers.2", "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0", "conv2": "out_layers.3", "conv_shortcut": "skip_connection",
}  # fmt: skip


def _slot(kind: str) -> int:
    return 0 if kind == "resnets" else 1


def ldm_name(key: str) -> str:
    """Return the checkpoint's name of a tensor in diffusers' UNet.

    Raises KeyError for a name of another topology.
    """
    for pattern, name in LAYERS:
        if match := re.match(pattern + r"\.", key):
            rest = key[match.end() :]
            if ".resnets." in key:
                layer, tensor = rest.split(".")
                rest = f"{RESNET[layer]}.{tensor}"
            return f"{PREFIX}{name(match)}.{rest}"
    raise KeyError(f"{key!r} is no tensor of an SD1.5 UNet of diffusers.")


def ldm_names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename a state dict of diffusers' UNet to the names of a checkpoint."""
    return {ldm_name(key): value for key, value in state.items()}
