"""Synthetic weights in the official formats, for machines without the real ones.

All pictures made with them are noise.

A checkpoint of 240 M parameters takes a few megabytes: each tensor is a strided view of a small block of
random numbers. `torch.load` restores the views, and ComfyUI copies them into its own dense parameters.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch

from ...face_tools.atomic_write import whole
from ...host import installation
from ..rule import draw
from . import appendix, landmarker, networks, shapes, wplus, xdyna

BLOCK = 1 << 17  # numbers shared by all tensors of one fan-in

PREFIX = "synthetic_"
CHECKPOINT, CLIP_VISION, CONTROLNET = (
    f"{PREFIX}sd15.ckpt",
    f"{PREFIX}clip_vision_vit_h.ckpt",
    f"{PREFIX}controlnet.ckpt",
)
LANDMARKER = f"{PREFIX}face_landmarker.safetensors"


class SharedViews:
    """Tensors as fp16 views of a few blocks of random numbers, one block per scale (fan-in)."""

    def __init__(self):
        self.blocks: dict[str, torch.Tensor] = {}

    def _block(self, name: str, length: int, offset: float, scale: float) -> torch.Tensor:
        if name not in self.blocks:
            self.blocks[name] = torch.from_numpy(
                np.float32(offset) + draw(networks.SALT, name, (length,)) * np.float32(scale)
            ).half()
        return self.blocks[name]

    def tensor(self, key: str, shape: tuple[int, ...]) -> torch.Tensor:
        if len(shape) == 1:
            gain = key.endswith("weight")  # gain of a norm: no other weight has one dimension
            return self._block("gain" if gain else "bias", 1 << 14, float(gain), 0.1)[: shape[0]]
        row = math.prod(shape[1:])
        embedding = "embedding" in key and "patch" not in key
        name, scale = ("embedding", 0.02) if embedding else (f"fan-in {row}", row**-0.5)
        block = self._block(name, max(BLOCK, 2 * row), 0.0, scale)
        # Rows overlap, each starting one step later in the block, so that no two are equal.
        step = (len(block) - row) // shape[0] or 1
        return block.as_strided(
            shape, (step, *(math.prod(shape[axis + 1 :]) for axis in range(1, len(shape))))
        )


def write_views(path: Path, shapes_: shapes.Shapes) -> None:
    views = SharedViews()
    torch.save({key: views.tensor(key, shape) for key, shape in shapes_.items()}, path)


def _write(path: Path, writer) -> Path:
    """Create a file once; an interrupted write leaves no file."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole(path) as part:
            writer(Path(part))
    return path


def checkpoint(folder: Path) -> Path:
    """Write an SD1.5 checkpoint for CheckpointLoaderSimple: text encoder, tiny VAE, UNet levels 320 wide."""
    everything = shapes.unet() | shapes.clip_text() | shapes.tiny_vae()
    return _write(folder / "checkpoints" / CHECKPOINT, lambda path: write_views(path, everything))


def clip_vision(folder: Path) -> Path:
    """Write a ViT-H of the official size for CLIPVisionLoader (1.3 GB of memory once loaded)."""
    everything = shapes.published("face_clip_image_encoder_assumed_vith14")
    return _write(folder / "clip_vision" / CLIP_VISION, lambda path: write_views(path, everything))


def face_landmarker(folder: Path) -> Path | None:
    """Write a stand-in for LoadMediaPipeFaceLandmarker; None if this ComfyUI has no such node."""
    comfy = installation.find()
    if comfy is None or not (comfy / landmarker.FILE).is_file():
        return None
    return _write(folder / "detection" / LANDMARKER, lambda path: landmarker.write(path, comfy))


def network(folder: Path, name: str) -> Path:
    """Write the stand-in for a ControlNetSK or a HelloMeme file, at the width of `checkpoint`."""

    def writer(path: Path) -> None:
        if name == appendix.CONTROL:
            appendix.write_control(path)
        else:
            networks.write(path, Path(name).stem)

    return _write(folder / "sk_portrait" / stand_in("file", name), writer)


def controlnet(folder: Path) -> Path:
    """Write a ControlNet for ControlNetLoader, at the width of `checkpoint`."""
    return _write(folder / "controlnet" / CONTROLNET, lambda path: write_views(path, shapes.controlnet(3)))


COMPANIONS = xdyna.FILES | wplus.FILES | appendix.FILES


def companion(folder: Path, directory: str, name: str) -> Path:
    """Write the stand-in for a file of X-Dyna, W+ or appendix A, at the width of `checkpoint`."""
    return _write(
        folder / directory / stand_in("file", name), lambda path: write_views(path, COMPANIONS[name]())
    )


def stand_in(widget: str, name: str) -> str:
    """Return the synthetic file for a loader's widget in place of `name`."""
    own = {
        "ckpt_name": CHECKPOINT,
        "clip_name": CLIP_VISION,
        "model_name": LANDMARKER,
        "control_net_name": CONTROLNET,
    }
    if name in COMPANIONS:  # views can only be saved in torch's format
        name = name.replace(".safetensors", ".ckpt")
    return own.get(widget) or PREFIX + name


def write_for(folder: Path, models: Iterable[tuple[str, str]]) -> None:
    """Write stand-ins for the (directory, name) pairs of a workflow into a models folder."""
    makers = {
        "checkpoints": lambda name: checkpoint(folder),
        "clip_vision": lambda name: clip_vision(folder),
        "controlnet": lambda name: controlnet(folder),
        "detection": lambda name: face_landmarker(folder),
    }
    for directory, name in models:
        if name in COMPANIONS:
            companion(folder, directory, name)
            continue
        makers.get(directory, lambda name: network(folder, name))(name)
