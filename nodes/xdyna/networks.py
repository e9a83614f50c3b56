"""Reads X-Dyna's files and puts the networks into ComfyUI's memory management."""

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
    """A loaded X-Dyna.

    adapter:   patcher of the Dynamics-Adapter with its image attention
    resampler: patcher of the Resampler
    motion:    its motion modules, None if no file has any
    parts:     text that states which part came from which file
    """

    adapter: comfy.model_patcher.ModelPatcher
    resampler: comfy.model_patcher.ModelPatcher
    motion: Network | None
    parts: str

    @property
    def states_width(self) -> int:
        """Channels of the picture's hidden states that the Resampler takes."""
        return self.resampler.model.proj_in.weight.shape[1]


def read(folder: str, name: str, page: str) -> dict:
    """Read a model file. Raises MissingFileError, or XDynaFileError if it cannot be read."""
    return read_state(find(folder, name, page), name, page, XDynaFileError)


def open_xdyna(file: str, tokens_file: str, motion_file: str = NONE) -> XDyna:
    """Load X-Dyna from its UNet file and ip-adapter-plus_sd15; motion_file: another file for the motion
    modules, NONE = the UNet file.
    """
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
    """Convert CLIP's last but one hidden states (B, m, E) to tokens (B, 16, D) on the CPU."""
    if states.shape[-1] != xdyna.states_width:
        raise ModelError(
            f"This CLIP vision model gives {states.shape[-1]} numbers per patch; X-Dyna needs CLIP ViT-H, which gives "
            f"{xdyna.states_width}. Load that model.",
            states.shape[-1],
        )
    comfy.model_management.load_models_gpu([xdyna.resampler])
    return xdyna.resampler.model(states.to(xdyna.resampler.load_device, torch.float32)).cpu()
