"""Parity of whole sampled clips: the published samplers' latents, through the Two-Stage Sampler on the real host.

The published behaviour is switched on: chained frames, averaged windows, the published padding and start of the noise.
"""

from __future__ import annotations

import torch
from einops import rearrange
from torch import Tensor

from ..sk_attention.drive import Drive, DriveAction
from ..sk_attention.reference import ReferenceAction
from ..testing.golden import Golden
from ..testing.rule import draw
from ..unet.patches import Weighted
from .parity_modules import Compared
from .parity_motion import animatediff_of, sk_motion_of
from .parity_unet import SOURCE, reference_of

TOLERANCE = 1e-3
LATENT_SCALE = 0.18215  # between the host's latents and the UNet's


class GoldenNoise:
    """The golden noise as a NOISE object."""

    seed = 0

    def __init__(self, rows: Tensor):
        self.rows = rows

    def generate_noise(self, latent: dict) -> Tensor:
        return self.rows[: len(latent["samples"])]


def drive_of(golden: Golden, inputs: dict[str, Tensor], frames: int) -> Drive:
    """The rule-made drive of a clip: of `control.KEY` in a UNet case, KEY and sizes (only the coefficients' keys of v2)."""
    keys = {key.removeprefix("control."): value.shape for key, value in inputs.items() if key.startswith("control.")}
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


def guider_of(golden: Golden, host, generation: str, frames: int, cfg: float):
    """CFG guider around the narrow MODEL with the golden reference and a drive of `frames` frames."""
    import comfy.samplers

    from ..unet.hosts import comfy_hooks as unet_comfy

    t = golden.tensors(SOURCE[generation])
    latent = torch.cat([torch.zeros_like(t["ref_latent"]), t["ref_latent"]])
    reference = reference_of(golden, generation, host, host.features(latent, t["context"]), latent)
    model = host.patcher.clone()
    unet_comfy.bind(model, [Weighted(ReferenceAction(reference)), Weighted(DriveAction(drive_of(golden, t, frames)))])
    guider = comfy.samplers.CFGGuider(model)
    negative, positive = ([[row[None], {}]] for row in t["context"])
    guider.set_conds(positive, negative)
    guider.set_cfg(cfg)
    return guider


def _video(case: str, generation: str, motions):
    def run(golden: Golden, host) -> Compared:
        import comfy.samplers

        from ..nodes.hellomeme.networks import managed
        from ..nodes.hellomeme.two_stage import PUBLISHED, TwoStageSampler

        settings, t = golden.index["cases"][case], golden.tensors(case)
        frames = settings["frames"]
        noise = torch.cat([t[key] for key in ("noise", "noise_stage1", "noise_stage2") if key in t], dim=2)
        guider = guider_of(golden, host, generation, frames, settings["cfg"])
        sampling = guider.model_patcher.get_model_object("model_sampling")
        final, first = TwoStageSampler.execute(
            GoldenNoise(rearrange(noise, "1 c f h w -> f c h w")),
            guider,
            comfy.samplers.sampler_object("euler"),
            comfy.samplers.calculate_sigmas(sampling, "normal", settings["steps"]),
            {"samples": torch.zeros(frames, *noise.shape[1:2], *noise.shape[3:])},
            **{name: managed(loaded) for name, loaded in zip(("motion", "motion_2"), motions(golden, host))},
            stage1_steps=10,
            window_length=settings["window"],
            overlap=settings.get("overlap", 0),
            method=PUBLISHED,
        ).result
        for name, ours in (("stage1", first), ("y", final)):
            if name in t:
                yield name, rearrange(ours["samples"], "f c h w -> 1 c f h w") * LATENT_SCALE, t[name]

    return run


VIDEO_CASES = {
    "video_v2": _video("video_v2", "v2", lambda golden, host: [animatediff_of(golden, host)]),
    "video_v3": _video("video_v3", "v3", lambda golden, host: [sk_motion_of(golden, "v3", host), animatediff_of(golden, host)]),
    "video_v5": _video("video_v5", "v5", lambda golden, host: [sk_motion_of(golden, "v5", host)]),
}
