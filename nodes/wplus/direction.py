"""The node W+ Direction: reads and adds edit directions and identities of StyleGAN."""

from __future__ import annotations

import os

import numpy as np
import torch
from comfy_api.latest import io
from torch import Tensor

from ...errors import FrameCountError, ModelFileError
from ...systems.wplus.adapter import LAYERS
from ...systems.wplus.directions import GANSpaceRow, ganspace, whole, within
from ..folders import DIRECTIONS, absent, files, find
from ..schema import schema
from ..types import WPlusCodeType

PAGE = "https://github.com/csxmli2016/w-plus-adapter"
PCA = {"mean", "comp", "std"}  # names of the tensors in a GANSpace file


class WPlusDirection(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return schema(
            node_id="SKPortraitWPlusDirection",
            display_name="W+ Direction",
            category="SK Portrait",
            description="Loads an edit direction (smile, age, ...) or the w+ code of a person. Connect "
            "several of these nodes in a row to combine them.",
            search_aliases=["w-plus-adapter", "InterFaceGAN", "GANSpace", "age"],
            inputs=[
                io.Combo.Input(
                    "file",
                    options=files(DIRECTIONS),
                    tooltip="A .pt, .pth, .npy or .safetensors file in models/wplus_directions with a direction or "
                    "w+ code of shape [512], [18, 512] or, per frame, [F, 18, 512]; or GANSpace's ffhq_pca.pt. "
                    f"Official files: {PAGE}.",
                ),
                io.Float.Input(
                    "alpha",
                    default=1.0,
                    min=-20.0,
                    max=20.0,
                    step=0.05,
                    tooltip="How much of the direction is added to base; a direction without base is set by "
                    "lambda of Apply W+ instead. For a GANSpace file: the value to which the component is "
                    "set.",
                ),
                io.Int.Input(
                    "first_layer",
                    default=0,
                    min=0,
                    max=LAYERS,
                    tooltip="First of StyleGAN's 18 layers that is changed, counted from 0.",
                ),
                io.Int.Input(
                    "end_layer",
                    default=LAYERS,
                    min=0,
                    max=LAYERS,
                    tooltip="Layer after the last one that is changed; 8 for the published .npy directions.",
                ),
                io.Int.Input(
                    "component",
                    default=0,
                    min=0,
                    max=511,
                    tooltip="Only for GANSpace files: number of the component.",
                ),
                WPlusCodeType.Input(
                    "base",
                    optional=True,
                    tooltip="The w+ code of a person, or a sum of directions, to which this direction is added.",
                ),
            ],
            outputs=[
                WPlusCodeType.Output(
                    display_name="w", tooltip="For Apply W+, or as the base of another W+ Direction."
                )
            ],
        )

    @classmethod
    def validate_inputs(cls, file):
        return absent(DIRECTIONS, file, PAGE) or True

    @classmethod
    def execute(
        cls,
        file: str,
        alpha: float,
        first_layer: int,
        end_layer: int,
        component: int,
        base: Tensor | None = None,
    ) -> io.NodeOutput:
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
    """Return the single tensor of a file, or the tensors of a GANSpace file.

    Raises ModelFileError for another file.
    """
    name = os.path.basename(path)
    try:
        if path.endswith(".npy"):
            return torch.from_numpy(np.load(path, allow_pickle=False))
        if path.endswith(".safetensors"):
            from safetensors.torch import load_file

            content = load_file(path)
        else:
            content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # each format raises its own exception for an invalid file
        raise ModelFileError(
            f"{name} cannot be read as a file of tensors: download it again from {PAGE}.", name
        ) from error
    if isinstance(content, dict):
        if content.keys() >= PCA:
            return {key: torch.as_tensor(content[key]) for key in PCA}
        content = next(iter(content.values())) if len(content) == 1 else content
    if not isinstance(content, torch.Tensor):
        raise ModelFileError(
            f"{name} holds a {type(content).__name__} instead of one tensor, or of GANSpace's mean, comp and std. "
            f"Download a direction from {PAGE}.",
            name,
        )
    return content


NODES = [WPlusDirection]
