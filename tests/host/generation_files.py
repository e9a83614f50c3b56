"""Files of every published generation at the width of the synthetic checkpoint, under their published names."""

from __future__ import annotations

from pathlib import Path

from sk_portrait.demo import networks
from sk_portrait.sk_attention.generations import GENERATIONS, Generation


def write(folder: Path, generation: str, repository: str) -> str:
    """One file; its name in the folder. repository: field of a Generation row."""
    name = getattr(GENERATIONS[generation], repository)
    path = folder / f"{name}.safetensors"
    if not path.exists():
        networks.write(path, name)
    return path.name


def write_pair(folder: Path, row: Generation) -> dict[str, str]:
    """What portrait_image loads for a generation: input of the loaders -> file."""
    files = {"adapter": write(folder, row.name, "reference"), "drive_encoder": write(folder, row.name, "coefficients_drive")}
    return files | {"projection": write(folder, row.name, "projection") if row.projection else "none"}
