"""W+ Direction: edit directions and identities of StyleGAN from files, mixed."""

from __future__ import annotations

import os

import numpy as np
import torch
from comfy_api.latest import io

from ...errors import FrameCountError, ModelFileError
from ...systems.wplus.adapter import LAYERS
from ...systems.wplus.directions import GANSpaceRow, ganspace, whole, within
from ..folders import DIRECTIONS, absent, files, find
from ..schema import schema
from ..types import WPlusCodeType

PAGE = "https://github.com/csxmli2016/w-plus-adapter"
PCA = {"mean", "comp", "std"}  # the tensors of a GANSpace file


class WPlusDirection(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return schema(
            node_id="SKPortraitWPlusDirection",
            display_name="W+ Direction",
            category="SK Portrait",
            description="Reads an edit direction (smile, age, ...) or the w+ code of a person, and mixes it with others by chaining.",
            search_aliases=["w-plus-adapter", "InterFaceGAN", "GANSpace", "smile", "age"],
            inputs=[
                io.Combo.Input(
                    "file",
                    options=files(DIRECTIONS),
                    tooltip="A .pt, .pth, .npy or .safetensors of models/wplus_directions that holds a direction or a w+ code, [512] or "
                    f"[18, 512] (one per frame: [F, 18, 512]), or GANSpace's ffhq_pca.pt. Official ones: {PAGE}.",
                ),
                io.Float.Input(
                    "alpha",
                    default=1.0,
                    min=-20.0,
                    max=20.0,
                    step=0.05,
                    tooltip="How much of it is added. Matters beside an identity or other directions; a direction alone is steered by "
                    "the lambda of Apply W+. For a GANSpace file: the strength that its component gets.",
                ),
                io.Int.Input(
                    "first_layer",
                    default=0,
                    min=0,
                    max=LAYERS,
                    tooltip="First of StyleGAN's 18 layers that it changes.",
                ),
                io.Int.Input(
                    "end_layer",
                    default=LAYERS,
                    min=0,
                    max=LAYERS,
                    tooltip="The layer after the last one. Published .npy directions: 8.",
                ),
                io.Int.Input(
                    "component", default=0, min=0, max=511, tooltip="GANSpace files only: which component."
                ),
                WPlusCodeType.Input(
                    "base",
                    optional=True,
                    tooltip="What it is added to: the code of a person, or other directions.",
                ),
            ],
            outputs=[
                WPlusCodeType.Output(display_name="w", tooltip="For Apply W+, or as the base of another one.")
            ],
        )

    @classmethod
    def validate_inputs(cls, file):
        return absent(DIRECTIONS, file, PAGE) or True

    @classmethod
    def execute(cls, file, alpha, first_layer, end_layer, component, base=None) -> io.NodeOutput:
        content = read(find(DIRECTIONS, file, PAGE))
        if isinstance(content, dict):
            person = content["mean"].float().expand(LAYERS, -1)[None] if base is None else base
            added = ganspace(person, content, GANSpaceRow(file, component, first_layer, end_layer), alpha)
        else:
            added = alpha * within(whole(content, file), first_layer, end_layer)
        if base is not None and {len(added), len(base)} - {1, max(len(added), len(base))}:
            raise FrameCountError(
                f"direction {file}", len(added), "base", len(base), "give one code, or one per frame in both."
            )
        return io.NodeOutput(added if base is None else base + added)


def read(path: str) -> torch.Tensor | dict[str, torch.Tensor]:
    """The one tensor of a file, or the tensors of a GANSpace file. Raises ModelFileError for another file."""
    name = os.path.basename(path)
    try:
        if path.endswith(".npy"):
            return torch.from_numpy(np.load(path, allow_pickle=False))
        if path.endswith(".safetensors"):
            from safetensors.torch import load_file

            content = load_file(path)
        else:
            content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # each format has its own for a file that is none
        raise ModelFileError(
            f"{name} cannot be read as a file of tensors: download it again from {PAGE}.", name
        ) from error
    if isinstance(content, dict):
        if content.keys() >= PCA:
            return {key: torch.as_tensor(content[key]) for key in PCA}
        content = next(iter(content.values())) if len(content) == 1 else content
    if not isinstance(content, torch.Tensor):
        raise ModelFileError(
            f"{name} holds {type(content).__name__} where one tensor, or GANSpace's mean, comp and std, were expected.",
            name,
        )
    return content


NODES = [WPlusDirection]
