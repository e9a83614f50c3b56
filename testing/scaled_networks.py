"""SD1.5's UNet and the official networks in their own proportions at any width, with deterministic random
weights; 320 is full size.

Needs ComfyUI in this process. Weights are views of a few blocks of
numbers, so a full-size network is made in seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import comfy.model_detection
import comfy.ops
import torch

from ..sk_attention.checkpoint import Loaded, load
from ..sk_attention.published_files import MOTION, Part, find_part
from .golden import Golden
from .stand_ins.checkpoint import SharedViews
from .tiny_comfy import unfilled

FULL = 320  # channels of the first block of SD1.5's UNet
WIDTHS = {FULL // 4, FULL // 2, FULL, 2 * FULL, 4 * FULL}  # sizes of the official networks that scale with it
VIEWS = SharedViews()


def scaled(sizes: Any, width: int) -> Any:
    """Scale official sizes to a UNet with `width` channels in its first block."""
    if isinstance(sizes, Mapping):
        return {name: scaled(value, width) for name, value in sizes.items()}
    if isinstance(sizes, tuple):
        return tuple(scaled(value, width) for value in sizes)
    return sizes * width // FULL if sizes in WIDTHS else sizes


def sizes_of(part: Part, width: int) -> dict[str, Any]:
    """Return the arguments of an official part's network at that width."""
    timed = {"embedding_dim": 4 * width} if part.kind == MOTION and part.fixed["block"] == "timed" else {}
    return scaled(dict(part.published), width) | timed


def network(kind: str, version: str, width: int, dtype: torch.dtype, repository: str | None = None) -> Loaded:
    """Return the network of a kind and version, through the pack's own loader."""
    part = find_part(kind, version, repository)
    with torch.device("meta"):
        shapes = part.build(sizes_of(part, width)).state_dict()
    state = {key: VIEWS.tensor(key, tuple(tensor.shape)) for key, tensor in shapes.items()}
    return load(state, part.repositories[version], comfy.ops.manual_cast, dtype)


def unet(width: int, text: int, dtype: torch.dtype):
    """Return a MODEL of ComfyUI with SD1.5's UNet. text: width of its text embeddings."""
    tiny = comfy.model_detection.detect_unet_config(Golden().unet_weights(), "")
    patcher = unfilled(tiny | {"model_channels": width, "context_dim": text}, dtype)
    net = patcher.model.diffusion_model
    net.load_state_dict({key: VIEWS.tensor(key, tuple(t.shape)) for key, t in net.state_dict().items()})
    return patcher
