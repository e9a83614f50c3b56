"""Samples the same clip with this pack: its loader, encoders and Portrait Video Sampler in ComfyUI."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from ...testing.golden import Golden
from ...testing.golden_sampling import LATENT_SCALE, GoldenNoise
from .clip import CFG, OVERLAP, WINDOW, Clock, Inputs, Sizes, Watch, now, read

LONGEST_FIRST = 10  # largest number of steps of the official first stage


class Ours:
    """The pack's networks, loaded.

    `sample` returns the video's latents, with a `method` of the Portrait Video Sampler.
    """

    def __init__(self, folder: Path, golden: Golden, sizes: Sizes):
        import comfy.ops

        from ...nodes.hellomeme.networks import managed
        from ...sk_attention.checkpoint import load
        from ...testing.tiny_comfy import ComfyHost

        self.sizes, self.host = sizes, ComfyHost(read(folder, "unet"))
        self.reference, self.drive, self.motion = (
            managed(load(read(folder, name), name, comfy.ops.manual_cast))
            for name in ("reference", "drive", "motion")
        )

    def sample(
        self, inputs: Inputs, steps: int, clock: Clock = now, *, method: str
    ) -> tuple[Tensor, dict[str, float]]:
        """Return latents (F, 4, h, w) in the UNet's scale, and the seconds by part."""
        import comfy.model_management
        import comfy.samplers

        from ...nodes.hellomeme.clip_runs import Clip
        from ...nodes.hellomeme.two_stage import SamplerInputs, prepare
        from ...sk_attention.drive import DrivePatch, Expression, encode
        from ...sk_attention.reference import Reference, ReferencePatch
        from ...unet.clip.frames import COND, UNCOND
        from ...unet.hosts import comfy_hooks as unet_comfy
        from ...unet.patches import WeightedPatch

        watch = Watch(clock)

        class Timed(Clip):
            def run(self, *args, moves: bool = True, **kwargs) -> Tensor:
                name = "stage 2" if moves else "stage 1"
                watch.start(name)
                result = super().run(*args, moves=moves, **kwargs)
                watch.stop(name)
                return result

        latent = torch.cat([torch.zeros_like(inputs.portrait), inputs.portrait])
        watch.start("reference")
        seen = self.host.features(latent, inputs.text)
        watch.stop("reference")
        halves = {
            boundary: feature[[(UNCOND, COND).index(side) for side in (COND, UNCOND)]]
            for boundary, feature in seen.items()
        }
        comfy.model_management.load_models_gpu([self.drive.patcher])
        watch.start("encoders")
        with torch.no_grad():
            drive = encode(
                self.drive.module, inputs.pictures, Expression(inputs.coefficients, inputs.patches)
            )
        watch.stop("encoders")
        model = self.host.patcher.clone()
        reference = Reference(halves, tuple(latent.shape[-2:]), self.reference.loaded)
        unet_comfy.bind(
            model,
            [WeightedPatch(ReferencePatch(reference)), WeightedPatch(DrivePatch(drive))],
            [self.reference.patcher],
        )
        guider = comfy.samplers.CFGGuider(model)
        negative, positive = ([[row[None], {}]] for row in inputs.text)
        guider.set_conds(positive, negative)
        guider.set_cfg(CFG)
        noise = GoldenNoise(inputs.noise)
        sigmas = comfy.samplers.calculate_sigmas(model.get_model_object("model_sampling"), "normal", steps)
        empty = {"samples": torch.zeros(self.sizes.frames, 4, self.sizes.cells, self.sizes.cells)}
        settings = SamplerInputs(
            noise, guider, comfy.samplers.sampler_object("euler"), sigmas, empty, self.motion,
            LONGEST_FIRST, WINDOW, OVERLAP, method,
        )  # fmt: skip
        order, clip = prepare(Timed, settings)
        final, _ = order.sample(clip, noise)
        return final * LATENT_SCALE, watch.spent
