"""Networks of the reference tensors, at the sizes of their tiny UNet: adapters, motion modules, drives."""

from __future__ import annotations

import copy
import json
import tempfile
from contextlib import contextmanager

from einops import rearrange
from torch import Tensor

from ..host.installation import enter, find
from ..sk_attention.checkpoint import Loaded
from ..sk_attention.drive import Drive, DrivePatch
from ..sk_attention.published_files import ANIMATEDIFF, MOTION, REFERENCE, find_part
from ..sk_attention.reference import Reference
from ..unet.clip.frames import COND, UNCOND
from ..unet.hosts.comfy_injection import attach
from ..unet.hosts.diffusers_injection import moving
from ..unet.patches import WeightedPatch
from .golden import DEFAULT, Golden

WIDTHS = (32, 64, 128, 128)  # channels of the tiny UNet's levels
EMBEDDING = 128

# The reference tensors order a batch as [uncond, cond]; features are stored in the order of the side numbers.
HALVES = [(UNCOND, COND).index(side) for side in (COND, UNCOND)]

SIZES = {
    "v1": {"up": (128, 128, 64), "down": (32, 64, 128, 128), "mid": 128},
    "v2": {"up": (128, 128, 64)},
    "v3": {"up": (128, 128, 128, 64)},
    "v5": {"up": (128, 128, 128, 64)},
    "v5b": {"up": (128, 128, 128, 64)},
}

SOURCE = {
    "v1": "unet_v1",
    "v2": "unet_v2",
    "v3": "unet_v3",
    "v5": "unet_v3",
    "v5b": "unet_v3",
}  # of the inputs


def reference_of(
    golden: Golden, version: str, host, features: dict[str, Tensor], latent: Tensor
) -> Reference:
    """Return a Reference with the golden adapter at the tiny UNet's sizes."""
    loaded = golden.loaded(
        f"adapter_{version}", find_part(REFERENCE, version), SIZES[version], host.operations
    )
    return Reference(
        {boundary: t[HALVES] for boundary, t in features.items()}, tuple(latent.shape[-2:]), loaded
    )


def drives_of(t: dict[str, Tensor]) -> list[WeightedPatch]:
    """Return one patch per family of `control.*` keys, such as `control.up2_v2_3` -> block boundary."""
    families: dict[str, dict[str, Tensor]] = {}
    for key, value in t.items():
        if key.startswith("control."):
            family, index = key.removeprefix("control.").rsplit("_", 1)
            way = "up" if family.startswith("up") else "down"
            families.setdefault(family.removeprefix(way), {})[f"{way}_{index}"] = value.transpose(1, 2)
    patches = []
    for values in families.values():
        halves = {
            side: {boundary: v[i] for boundary, v in values.items()} for i, side in enumerate((UNCOND, COND))
        }
        patches.append(WeightedPatch(DrivePatch(Drive(halves[COND], halves[UNCOND]))))
    return patches


def frames_first(x: Tensor) -> Tensor:
    """Reshape (b, c, f, h, w) to (b f, c, h, w)."""
    return rearrange(x, "b c f h w -> (b f) c h w")


def unet_on(host: str, golden: Golden):
    """Return the tiny UNet on ComfyUI's class (`comfy`, which must be importable) or on diffusers' class."""
    if host == "comfy":
        from .tiny_comfy import ComfyHost

        return ComfyHost(golden.unet_weights())
    from .tiny_diffusers import DiffusersHost

    return DiffusersHost(golden.index["unet"], golden.unet_weights())


def open_host(host: str, golden: Golden):
    """As `unet_on`, for a command: makes ComfyUI importable. `auto` = ComfyUI if found, else diffusers."""
    comfy = None if host == "diffusers" else find()
    if host == "comfy" and comfy is None:
        raise SystemExit("--host comfy needs ComfyUI, which was not found. Set COMFYUI_PATH to its folder.")
    if comfy:
        enter(comfy, tempfile.mkdtemp())
    return unet_on("comfy" if comfy else "diffusers", golden)


def sk_motion_of(golden: Golden, version: str, host) -> Loaded:
    """The golden SK motion adapter at the tiny UNet's sizes."""
    sizes = {"down": WIDTHS, "up": (128, 128, 128, 64)} | (
        {"embedding_dim": EMBEDDING} if version == "v3" else {}
    )
    return golden.loaded(f"motion_{version}", find_part(MOTION, version), sizes, host.operations)


def animatediff_of(golden: Golden, host) -> Loaded:
    """The golden AnimateDiff at the tiny UNet's sizes. Its names are stored beside the reference tensors."""
    loaded = golden.loaded(
        "animatediff", find_part(ANIMATEDIFF, "v2"), {"down": WIDTHS, "up": WIDTHS[::-1]}, host.operations
    )
    assert (
        loaded.module.state_dict().keys()
        == json.loads((DEFAULT / "animatediff_keys.json").read_text()).keys()
    )
    return loaded


@contextmanager
def moving_forward(host, temporal: WeightedPatch):
    """Context manager: ComfyUI's `forward` with AnimateDiff in the blocks."""
    if host.name == "diffusers":
        with moving(host.unet, temporal, {"cond_or_uncond": [UNCOND, COND]}):
            yield host.forward
    else:
        patched = copy.copy(host)
        patched.patcher = host.patcher.clone()
        attach(patched.patcher, temporal)
        yield patched.forward
