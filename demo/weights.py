"""Synthetic weights in the published formats, for machines without the real ones. Every picture made with them is noise.

A checkpoint of 240 M parameters takes a few megabytes here: each tensor is a strided view of a small block of random
numbers, which `torch.load` restores as it is and the host copies into its own dense parameters.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from ..bench.rule import draw, rule_tensor
from . import shapes

SALT = "sk-demo"
BLOCK = 1 << 17  # numbers that all tensors of one fan-in share

CHECKPOINT, CLIP_VISION = "synthetic_sd15.ckpt", "synthetic_clip_vision_vit_h.ckpt"
ADAPTER, DRIVE_ENCODER = "synthetic_hm2_reference.safetensors", "synthetic_hm2_control.safetensors"
PARTS = {ADAPTER: "v2_reference", DRIVE_ENCODER: "v2_control"}


def position_table(length: int, width: int) -> torch.Tensor:
    """(1, length, width) interleaved sine and cosine: the buffers called `pe` in the published files."""
    angle = torch.arange(length)[:, None] * torch.exp(torch.arange(0, width, 2) * (-math.log(10000.0) / width))
    return torch.stack([angle.sin(), angle.cos()], -1).flatten(1)[None]


def network(shapes_: shapes.Shapes, prefix: str) -> dict[str, torch.Tensor]:
    """A dense state dict by the rule of bench/rule.py, with true position tables."""
    return {
        key: position_table(*shape[1:]) if key.endswith(".pe") else torch.from_numpy(rule_tensor(SALT, prefix, key, shape))
        for key, shape in shapes_.items()
    }


class SharedViews:
    """Tensors as fp16 views of a few blocks of numbers, one block for each scale (fan-in)."""

    def __init__(self):
        self.blocks: dict[str, torch.Tensor] = {}

    def _block(self, name: str, length: int, offset: float, scale: float) -> torch.Tensor:
        if name not in self.blocks:
            self.blocks[name] = torch.from_numpy(np.float32(offset) + draw(SALT, name, (length,)) * np.float32(scale)).half()
        return self.blocks[name]

    def tensor(self, key: str, shape: tuple[int, ...]) -> torch.Tensor:
        if len(shape) == 1:
            gain = key.endswith("weight")  # of a norm: nothing else has weights of one dimension
            return self._block("gain" if gain else "bias", 1 << 14, float(gain), 0.1)[: shape[0]]
        row = math.prod(shape[1:])
        embedding = "embedding" in key and "patch" not in key
        name, scale = ("embedding", 0.02) if embedding else (f"fan-in {row}", row**-0.5)
        block = self._block(name, max(BLOCK, 2 * row), 0.0, scale)
        # Rows overlap, each a step further into the block, so that no two are equal.
        step = (len(block) - row) // shape[0] or 1
        return block.as_strided(shape, (step, *(math.prod(shape[axis + 1 :]) for axis in range(1, len(shape)))))


def write_views(path: Path, shapes_: shapes.Shapes) -> None:
    views = SharedViews()
    torch.save({key: views.tensor(key, shape) for key, shape in shapes_.items()}, path)


def _write(path: Path, writer) -> Path:
    """Make a file once; an interrupted write leaves none behind."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        writer(part)
        part.replace(path)
    return path


def checkpoint(folder: Path) -> Path:
    """An SD1.5 checkpoint with text encoder and tiny VAE, all UNet levels 320 wide, for CheckpointLoaderSimple."""
    everything = shapes.unet() | shapes.clip_text() | shapes.tiny_vae()
    return _write(folder / "checkpoints" / CHECKPOINT, lambda path: write_views(path, everything))


def clip_vision(folder: Path) -> Path:
    """A ViT-H of true size for CLIPVisionLoader (1.3 GB of memory once loaded)."""
    everything = shapes.published("face_clip_image_encoder_assumed_vith14")
    return _write(folder / "clip_vision" / CLIP_VISION, lambda path: write_views(path, everything))


def networks(folder: Path) -> list[Path]:
    """HelloMeme v2's reference adapter and drive encoder in published names, at the width of `checkpoint`."""
    return [
        _write(
            folder / "sk_portrait" / name,
            lambda path, part=part: save_file(network(shapes.narrowed(shapes.published(part)), part), path),
        )
        for name, part in PARTS.items()
    ]


def write_all(folder: Path) -> list[Path]:
    """Everything that the shipped workflows load, as a models folder."""
    return [checkpoint(folder), clip_vision(folder), *networks(folder)]
