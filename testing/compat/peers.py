"""Other packs on the same MODEL, imported from clones in the folder that SK_PORTRAIT_PEERS names."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType

import pytest
import torch

from ..golden_systems import CROSS_ATTENTIONS
from ..tiny_models import normal
from .lab import FRAMES, PIXELS, Lab, Scene, Wear
from .wears import controlled, controlnet_of, hints

ENVIRONMENT = "SK_PORTRAIT_PEERS"
EMBEDDING = 48  # embedding width of the tiny IPAdapter's picture


@functools.cache
def peer(name: str) -> ModuleType:
    """Import a pack as ComfyUI does. Skips the test if there is no clone."""
    folder = Path(os.environ.get(ENVIRONMENT, "")) / name
    if not os.environ.get(ENVIRONMENT) or not (folder / "__init__.py").is_file():
        pytest.skip(f"no {name} in {ENVIRONMENT}")
    module = name.replace("-", "_")
    spec = importlib.util.spec_from_file_location(
        module, folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    sys.modules[module] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules[module])
    return sys.modules[module]


@functools.cache
def ipadapter_file() -> dict[str, dict[str, torch.Tensor]]:
    """Return an IPAdapter for the tiny UNet, with fixed random weights."""
    shapes = {
        "proj.weight": (4 * 64, EMBEDDING),
        "proj.bias": (4 * 64,),
        "norm.weight": (64,),
        "norm.bias": (64,),
    }
    keys = {
        f"{2 * i + 1}.to_{side}_ip.weight": (width, 64)
        for i, width in enumerate(CROSS_ATTENTIONS)
        for side in "kv"
    }
    return {
        "image_proj": {key: normal(f"ip {key}", *shape) / 4 for key, shape in shapes.items()},
        "ip_adapter": {key: normal(f"ip {key}", *shape) / 8 for key, shape in keys.items()},
    }


def ipadapter(of_frames: Callable[[Sequence[int]], dict]) -> Wear:
    """Apply IPAdapter Embeds (Batch) with the inputs that `of_frames` returns for the frames."""

    def wear(lab: Lab, scene: Scene, frames: Sequence[int]) -> None:
        node = peer("ComfyUI_IPAdapter_plus").NODE_CLASS_MAPPINGS["IPAdapterEmbedsBatch"]()
        inputs = {"weight": 1.0, "weight_type": "linear", "start_at": 0.0, "end_at": 1.0} | of_frames(frames)
        inputs["neg_embed"] = torch.zeros_like(inputs["pos_embed"])
        scene.model = node.apply_ipadapter(scene.model, ipadapter_file(), **inputs)[0]

    return wear


def embeds(frames: Sequence[int]) -> dict:
    return {"pos_embed": normal("embeds", FRAMES, EMBEDDING)[list(frames)]}


def masks(frames: Sequence[int]) -> dict:
    mask = torch.rand(FRAMES, PIXELS, PIXELS, generator=torch.Generator().manual_seed(2))[list(frames)]
    return {"pos_embed": normal("embeds", 1, EMBEDDING), "attn_mask": mask}


def weights(frames: Sequence[int]) -> dict:
    return {"pos_embed": normal("embeds", 1, EMBEDDING), "weight": [0.2 + 0.3 * frame for frame in frames]}


def advanced_controlnet(lab: Lab, scene: Scene, frames: Sequence[int]) -> None:
    peer("ComfyUI-Advanced-ControlNet")
    advance = importlib.import_module("ComfyUI_Advanced_ControlNet.adv_control.control").convert_to_advanced
    controlled(scene, controlnet_of(lab), hints(frames), advance)


WEARS: dict[str, Wear] = {
    "IPAdapter, an embedding a frame": ipadapter(embeds),
    "IPAdapter, a mask per frame": ipadapter(masks),
    "IPAdapter, a weight a frame": ipadapter(weights),
    "Advanced-ControlNet, a picture per frame": advanced_controlnet,
}
