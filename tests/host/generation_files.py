"""Files of every published generation at the width of the synthetic checkpoint, under their published names."""

from __future__ import annotations

from pathlib import Path

from safetensors.torch import save_file

from sk_portrait.bench.golden import Golden, find_part
from sk_portrait.demo.shapes import WIDTH
from sk_portrait.sk_attention.drive import PROJECTION_MAPS
from sk_portrait.sk_attention.generations import GENERATIONS, Generation
from sk_portrait.sk_attention.parts import DRIVE, FACE_MOTION, PROJECTION, REFERENCE, Part

BASE = (32, 64, 128)  # of the v4 and v5 base encoders, and `OUT` of their last feature
OUT = 32


def sizes(part: Part) -> dict:
    """Sizes of a part that fit a UNet of `WIDTH` at every level."""
    if part.kind == REFERENCE:
        same = {"up": [WIDTH] * len(part.published["up"])}
        if "mid" in part.published:
            same |= {"down": [WIDTH] * 4, "mid": WIDTH}
        return same
    if part.kind == DRIVE and "stations" in part.fixed:
        taps = [WIDTH] * len(part.published["down_taps"])
        return dict(part.published) | {"widths": [32] + [WIDTH] * len(part.fixed["stations"]), "down_taps": taps}
    if part.kind == DRIVE:
        return dict(part.published) | {"widths": BASE, "out": OUT, "context_dim": 128}
    if part.kind == PROJECTION:
        features = (BASE[2], BASE[1], BASE[0], OUT)
        mids = {name: (40,) if len(widths) == 3 else () for name, widths in part.published["widths"].items()}
        return {"widths": {name: (features[i], WIDTH, *mids[name]) for name, (i, _) in PROJECTION_MAPS.items()}}
    return dict(part.published)


def write(folder: Path, kind: str, generation: str, repository: str) -> str:
    """One file by the rule of tests/golden; its name in the folder."""
    part = find_part(kind, generation, repository)
    name = getattr(GENERATIONS[generation], repository)
    path = folder / f"{name}.safetensors"
    if not path.exists():
        save_file(Golden().fill(part.build(sizes(part)), name).state_dict(), path)
    return path.name


def write_pair(folder: Path, row: Generation) -> dict[str, str]:
    """What portrait_image loads for a generation: widget of the loader -> file."""
    files = {
        "adapter": write(folder, REFERENCE, row.name, "reference"),
        "drive_encoder": write(folder, DRIVE, row.name, "coefficients_drive"),
        "projection": "none",
    }
    if row.projection:
        files["projection"] = write(folder, PROJECTION, row.name, "projection")
    return files


def write_face_motion(folder: Path) -> str:
    """The PD-FGC encoder at its published size."""
    return write(folder, FACE_MOTION, "v1", "face_motion")
