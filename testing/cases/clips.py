"""Parity of whole sampled clips: the official samplers' latents,
compared with the Portrait Video Sampler in ComfyUI.

Uses the official options: chained frames, averaged windows, the official padding and start noise.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from einops import rearrange
from torch import Tensor

from sk_portrait.testing.golden import Golden
from sk_portrait.testing.golden_networks import animatediff_of, sk_motion_of
from sk_portrait.testing.golden_sampling import LATENT_SCALE, GoldenNoise, guider_of

Compared = Iterator[tuple[str, Tensor, Tensor]]  # (key of the output, our result, reference)


def _video(case: str, version: str, motions):
    def run(golden: Golden, host) -> Compared:
        import comfy.samplers

        from sk_portrait.nodes.hellomeme.networks import managed
        from sk_portrait.nodes.hellomeme.two_stage import PUBLISHED, TwoStageSampler

        settings, t = golden.index["cases"][case], golden.tensors(case)
        frames = settings["frames"]
        noise = torch.cat([t[key] for key in ("noise", "noise_stage1", "noise_stage2") if key in t], dim=2)
        guider = guider_of(golden, host, version, frames, settings["cfg"])
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


CASES = {
    "video_v2": _video("video_v2", "v2", lambda golden, host: [animatediff_of(golden, host)]),
    "video_v3": _video(
        "video_v3",
        "v3",
        lambda golden, host: [sk_motion_of(golden, "v3", host), animatediff_of(golden, host)],
    ),
    "video_v5": _video("video_v5", "v5", lambda golden, host: [sk_motion_of(golden, "v5", host)]),
}
OUTPUTS = dict.fromkeys(CASES, "stage1|y")
COMFY_ONLY = set(CASES)
