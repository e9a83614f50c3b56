"""Files of every official version at the width of the synthetic checkpoint, under their official names."""

from __future__ import annotations

import os
from pathlib import Path

from sk_portrait.sk_attention.versions import VERSIONS, Version
from sk_portrait.testing.stand_ins import networks

PLACE = "every_version"  # a separate folder in models/sk_portrait


def write(folder: Path, version: str, repository: str) -> str:
    """Write one file and return its name as ComfyUI lists it. repository: field of `Version`."""
    name = getattr(VERSIONS[version], repository)
    path = folder / PLACE / f"{name}.safetensors"
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        networks.write(path, name)
    return os.path.join(PLACE, path.name)


def write_pair(folder: Path, row: Version) -> dict[str, str]:
    """Write the files of portrait_image for one version. Returns {input of a loader: file}."""
    files = {
        "adapter": write(folder, row.name, "reference"),
        "drive_encoder": write(folder, row.name, "coefficients_drive"),
    }
    return files | {"projection": write(folder, row.name, "projection") if row.projection else "none"}
