"""X-Dyna's files, read and put into ComfyUI's memory management."""

from __future__ import annotations

from dataclasses import dataclass

import comfy.model_management
import comfy.model_patcher
import comfy.ops
import torch

from ...errors import ModelError
from ...sk_attention import checkpoint as hellomeme
from ...systems.xdyna import checkpoint
from ...systems.xdyna.checkpoint import PAGE, TOKENS_PAGE, XDynaFileError
from ..folders import NETWORKS, find
from ..hellomeme.networks import Network, managed
from ..weights import kept_in, patcher_of, read_state

NONE = "none"
MOTION_FALLBACK = "mm_sd_v15"
MOTION_PAGE = "https://huggingface.co/guoyww/animatediff"


@dataclass(frozen=True, eq=False)
class XDyna:
    """A loaded X-Dyna: patchers of the Dynamics-Adapter with its image attention, and of the Resampler; its motion modules, None
    where no file brought any; a note on what came from which file."""

    adapter: comfy.model_patcher.ModelPatcher
    resampler: comfy.model_patcher.ModelPatcher
    motion: Network | None
    parts: str

    @property
    def states_width(self) -> int:
        """Of the picture's states that the Resampler reads."""
        return self.resampler.model.proj_in.weight.shape[1]


def read(folder: str, name: str, page: str) -> dict:
    """What a model file holds. Raises MissingFileError, or XDynaFileError where it cannot be read."""
    return read_state(find(folder, name, page), name, page, XDynaFileError)


def open_xdyna(file: str, tokens_file: str, motion_file: str = NONE) -> XDyna:
    """X-Dyna from its UNet file, from ip-adapter-plus_sd15, and its motion modules from another file if one is given."""
    parts = checkpoint.split(read(NETWORKS, file, PAGE), file)
    tokens = checkpoint.split_tokens(read(NETWORKS, tokens_file, TOKENS_PAGE), tokens_file)
    image, image_file = (parts.image, file) if parts.image else (tokens.image, tokens_file)
    motion, motion_from = parts.motion, file
    if motion_file != NONE:
        motion, motion_from = read(NETWORKS, motion_file, MOTION_PAGE), motion_file
    dtype = kept_in(sum(value.numel() for value in (parts.reference | image).values()))
    adapter = checkpoint.adapter(
        parts.reference, image, f"{file} with {image_file}", comfy.ops.manual_cast, dtype
    )
    resampler = checkpoint.resampler(tokens.resampler, tokens_file, comfy.ops.manual_cast, dtype)
    network = managed(hellomeme.load(motion, motion_from, comfy.ops.manual_cast, dtype)) if motion else None
    said = [
        f"Dynamics-Adapter of {file}",
        f"image attention of {image_file}",
        f"image tokens of {tokens_file}",
    ]
    said.append(
        f"motion modules of {motion_from}"
        if motion
        else f"no motion modules: choose {MOTION_FALLBACK} for a video"
    )
    return XDyna(patcher_of(adapter), patcher_of(resampler), network, "; ".join(said))


@torch.inference_mode()
def tokens_of(xdyna: XDyna, states: torch.Tensor) -> torch.Tensor:
    """CLIP's last but one states (B, m, E) -> tokens (B, 16, D), kept on the CPU."""
    if states.shape[-1] != xdyna.states_width:
        raise ModelError(
            f"This CLIP vision model gives {states.shape[-1]} numbers a patch; X-Dyna's image tokens were trained with CLIP ViT-H, "
            f"{xdyna.states_width}.",
            states.shape[-1],
        )
    comfy.model_management.load_models_gpu([xdyna.resampler])
    return xdyna.resampler.model(states.to(xdyna.resampler.load_device, torch.float32)).cpu()
