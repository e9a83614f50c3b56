"""Inputs of the reference samplers: noise, drive, and a guider with the tiny UNet."""

from __future__ import annotations

import torch
from torch import Tensor

from ..sk_attention.drive import Drive, DrivePatch
from ..sk_attention.reference import ReferencePatch
from ..unet.patches import WeightedPatch
from .golden import Golden
from .golden_networks import SOURCE, reference_of
from .rule import draw

LATENT_SCALE = 0.18215  # factor from ComfyUI's latents to the UNet's


class GoldenNoise:
    """The golden noise as a NOISE object."""

    seed = 0

    def __init__(self, rows: Tensor):
        self.rows = rows

    def generate_noise(self, latent: dict) -> Tensor:
        return self.rows[: len(latent["samples"])]


def drive_of(golden: Golden, inputs: dict[str, Tensor], frames: int) -> Drive:
    """Return the deterministic random drive of a clip, with the keys and sizes of `control.KEY` in a UNet
    case (v2: only the coefficients' keys).
    """
    keys = {
        key.removeprefix("control."): value.shape
        for key, value in inputs.items()
        if key.startswith("control.")
    }
    features, null = {}, {}
    for key, (_, c, _, h, w) in keys.items():
        if key.startswith("up2_"):
            continue
        way, index = key.split("_")[0].rstrip("0123456789"), key.rsplit("_", 1)[1]

        def tensor(frame, key=key, shape=(1, c, 1, h, w)):
            return torch.from_numpy(draw(golden.salt, f"video:{frame}:{key}", shape))[:, :, 0] / 4

        features[f"{way}_{index}"] = torch.cat([tensor(frame) for frame in range(frames)])
        null[f"{way}_{index}"] = tensor("null")
    return Drive(features, null)


def guider_of(golden: Golden, host, version: str, frames: int, cfg: float):
    """Return a CFG guider with the tiny MODEL, the golden reference and a drive of `frames` frames."""
    import comfy.samplers

    from ..unet.hosts import comfy_hooks as unet_comfy

    t = golden.tensors(SOURCE[version])
    latent = torch.cat([torch.zeros_like(t["ref_latent"]), t["ref_latent"]])
    reference = reference_of(golden, version, host, host.features(latent, t["context"]), latent)
    model = host.patcher.clone()
    unet_comfy.bind(
        model,
        [WeightedPatch(ReferencePatch(reference)), WeightedPatch(DrivePatch(drive_of(golden, t, frames)))],
    )
    guider = comfy.samplers.CFGGuider(model)
    negative, positive = ([[row[None], {}]] for row in t["context"])
    guider.set_conds(positive, negative)
    guider.set_cfg(cfg)
    return guider
