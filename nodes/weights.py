"""Reads model files and puts networks into ComfyUI's memory management, for the loaders of all systems."""

from __future__ import annotations

import os

import comfy.model_management
import comfy.model_patcher
import comfy.utils
import torch
from safetensors import safe_open

from ..errors import ModelFileError


def read_state(path: str, name: str, page: str, error: type[ModelFileError]) -> dict:
    """Read a model file, weights only. Raises `error` if it cannot be read; page: its download page."""
    try:
        return comfy.utils.load_torch_file(path, safe_load=True)
    except Exception as fault:  # each format raises its own exception for a truncated file or a web page
        reason = str(fault).partition("\n")[0].partition(". ")[0]
        raise error(
            f"{name} ({os.path.getsize(path)} bytes) cannot be read: {reason}. Delete it and download it again: {page}.",
            name,
        ) from fault


def metadata_of(path: str) -> dict[str, str]:
    """Return the metadata of a .safetensors file; {} for other files."""
    if not path.endswith(".safetensors"):
        return {}
    with safe_open(path, "pt") as opened:
        return opened.metadata() or {}


def kept_in(weights: int) -> torch.dtype:
    """Return the dtype for a network with that many weights: ComfyUI's choice for UNets, but never 8 bits,
    which would degrade the features and save little memory compared to the UNet.
    """
    dtype = comfy.model_management.unet_dtype(model_params=weights)
    if dtype.itemsize > 1:
        return dtype
    return torch.float16 if comfy.model_management.should_use_fp16(model_params=weights) else torch.float32


def patcher_of(module: torch.nn.Module) -> comfy.model_patcher.ModelPatcher:
    """Return the ModelPatcher by which ComfyUI loads, offloads and counts a network.

    It is of the newest kind that ComfyUI has: a single loaded model of the old
    kind makes ComfyUI free memory in the old way.
    """
    device, offload = comfy.model_management.get_torch_device(), comfy.model_management.unet_offload_device()
    kind = getattr(comfy.model_patcher, "CoreModelPatcher", comfy.model_patcher.ModelPatcher)
    return kind(module, load_device=device, offload_device=offload)
