"""HelloMeme networks at a tiny UNet's width, with deterministic random weights, for demo and tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from safetensors.torch import save_file

from ...sk_attention.drive_encoders import PROJECTION_MAPS
from ...sk_attention.published_files import DRIVE, PARTS, PROJECTION, Part
from ..rule import fill
from .shapes import WIDTH

SALT = "sk-demo"
BASE = (32, 64, 128)  # channels of the v4 and v5 base encoders
OUT = 32  # channels of their last feature


def part_of(repository: str) -> Part:
    """Return the part of an official repository, such as hm2_reference."""
    return next(part for part in PARTS if repository in part.repositories.values())


def sizes(part: Part, width: int = WIDTH) -> dict[str, Any]:
    """Return sizes of a part that fit a UNet with `width` channels at every level."""
    if part.kind == DRIVE and "boundaries" in part.fixed:
        blocks = {
            "widths": [32] + [width] * len(part.fixed["boundaries"]),
            "down_taps": [width] * len(part.published["down_taps"]),
        }
        return dict(part.published) | blocks
    if part.kind == DRIVE:
        return dict(part.published) | {"widths": BASE, "out": OUT, "context_dim": 128}
    if part.kind == PROJECTION:
        features = (*reversed(BASE), OUT)
        mid = (width // 8,) if any(len(maps) == 3 for maps in part.published["widths"].values()) else ()
        return {"widths": {name: (features[i], width, *mid) for name, (i, _) in PROJECTION_MAPS.items()}}
    narrow = {name: [width] * len(part.published[name]) for name in ("up", "down") if name in part.published}
    return dict(part.published) | narrow | ({"mid": width} if "mid" in part.published else {})


def build(repository: str, width: int = WIDTH):
    """Build the network of an official repository at a width."""
    part = part_of(repository)
    return fill(part.build(sizes(part, width)), SALT, repository)


def write(path: Path, repository: str) -> None:
    """Save the network of an official repository at the width of the synthetic checkpoint."""
    save_file(build(repository).state_dict(), path)
