"""Parity of whole patched UNets: features of the reference pass, reference alone, drive alone, both."""

from __future__ import annotations

import torch
from torch import Tensor

from ..sk_attention.drive import Drive, DriveAction
from ..sk_attention.published_files import REFERENCE, find_part
from ..sk_attention.reference import Reference, ReferenceAction
from ..testing.golden import Golden
from ..unet.clip.frames import COND, UNCOND
from ..unet.patches import Weighted
from .parity_modules import Compared, _frames_first

# The golden data order the halves of a batch [uncond, cond]; features are stored in the order of the branch numbers.
HALVES = [(UNCOND, COND).index(branch) for branch in (COND, UNCOND)]

SIZES = {
    "v1": {"up": (128, 128, 64), "down": (32, 64, 128, 128), "mid": 128},
    "v2": {"up": (128, 128, 64)},
    "v3": {"up": (128, 128, 128, 64)},
    "v5": {"up": (128, 128, 128, 64)},
    "v5b": {"up": (128, 128, 128, 64)},
}

SOURCE = {"v1": "unet_v1", "v2": "unet_v2", "v3": "unet_v3", "v5": "unet_v3", "v5b": "unet_v3"}  # of the inputs


def reference_of(golden: Golden, generation: str, host, features: dict[str, Tensor], latent: Tensor) -> Reference:
    """Features with the golden reference adapter at the narrow UNet's widths."""
    loaded = golden.loaded(f"adapter_{generation}", find_part(REFERENCE, generation), SIZES[generation], host.operations)
    return Reference({station: t[HALVES] for station, t in features.items()}, tuple(latent.shape[-2:]), loaded)


def drives_of(t: dict[str, Tensor]) -> list[Weighted]:
    """One action per family of golden control keys: `control.down_0`, `control.up2_v2_3`, ... -> stations."""
    families: dict[str, dict[str, Tensor]] = {}
    for key, value in t.items():
        if key.startswith("control."):
            family, index = key.removeprefix("control.").rsplit("_", 1)
            way = "up" if family.startswith("up") else "down"
            families.setdefault(family.removeprefix(way), {})[f"{way}_{index}"] = value.transpose(1, 2)
    actions = []
    for values in families.values():
        halves = {branch: {station: v[i] for station, v in values.items()} for i, branch in enumerate((UNCOND, COND))}
        actions.append(Weighted(DriveAction(Drive(halves[COND], halves[UNCOND]))))
    return actions


def _unet(generation: str):
    def case(golden: Golden, host) -> Compared:
        t, inputs = golden.tensors(f"unet_{generation}"), golden.tensors(SOURCE[generation])
        frames = inputs["x"].shape[2]
        x, context = _frames_first(inputs["x"]), inputs["context"].repeat_interleave(frames, 0)
        timestep = golden.index["cases"][f"unet_{generation}"]["timestep"]
        latent = torch.cat([torch.zeros_like(inputs["ref_latent"]), inputs["ref_latent"]])
        features = host.features(latent, inputs["context"])
        reference = Weighted(ReferenceAction(reference_of(golden, generation, host, features, latent)))
        drives = drives_of(inputs)
        for key, value in t.items():
            if key.startswith("feature."):
                yield key, features[key.removeprefix("feature.")], value
        for key, actions in (("y_plain", ()), ("y_reference", (reference,)), ("y_control", drives), ("y", (reference, *drives))):
            if key in t:
                yield key, host.forward(x, context, timestep, actions), _frames_first(t[key])

    return case


UNET_CASES = {f"unet_{generation}": _unet(generation) for generation in SIZES}
