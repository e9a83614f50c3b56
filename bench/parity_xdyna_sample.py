"""Parity of X-Dyna's whole sampler: three steps of the published pipeline on the host's own Euler, ControlNets and guidance."""

from __future__ import annotations

from collections.abc import Callable

from einops import rearrange
from torch import Tensor

from ..testing.golden import Golden
from .parity_modules import Compared
from .parity_video import LATENT_SCALE
from .parity_xdyna_unet import TEXT, TOKENS, adapter_of, controlnet_of, hints_of, motion_of


def _frames(x: Tensor) -> Tensor:
    return rearrange(x, "1 c f h w -> f c h w")


def _sample(case: str):
    def run(golden: Golden, host) -> Compared:
        import comfy.controlnet
        import comfy.sample
        import comfy.samplers
        from comfy.ldm.modules.attention import optimized_attention

        from ..nodes.windows import see_in_windows
        from ..nodes.xdyna.apply import linear_schedule
        from ..nodes.xdyna.hints import controlled
        from ..systems.xdyna import sampling
        from ..systems.xdyna.patch import Dynamics, attach
        from ..unet.clip.keyframes import looped_windows
        from ..unet.clip.run import GRID
        from ..unet.clip.windows import Plan
        from ..unet.hosts.comfy_injection import TemporalAction
        from ..unet.hosts.comfy_injection import attach as attach_motion
        from ..unet.patches import Weighted

        t, settings = golden.tensors(case), golden.index["cases"][case]
        (negative, positive), tokens = golden.tensors("xdyna_unet")["context"].split([TEXT, TOKENS], dim=1)
        reference, length, overlap = t["z_ref"][:, :, 0], settings["window"], settings["overlap"]
        blurred = sampling.mixed(reference, _frames(t["mask"][:, :, 1:]))
        yield "blurred", blurred, _frames(t["blurred"])

        model = host.patcher.clone()
        attach(model, Dynamics(adapter_of(golden, host.operations), reference, tokens.flip(0)), optimized_attention)
        attach_motion(model, Weighted(TemporalAction(motion_of(golden, host.operations))))
        model.add_object_patch("model_sampling", linear_schedule(model))

        offsets = dict(zip((GRID - sampling.timesteps(settings["steps"])).tolist(), settings["offsets"], strict=True))

        def plan(n: int, moment: Callable[[], int]) -> Plan:
            return Plan.of(looped_windows(n, length, overlap, offsets[moment()]), False, range(n), n)

        see_in_windows(model, plan, length)
        conds = [[[positive[None], {}]], [[negative[None], {}]]]
        if settings["controls"]:
            for kind, pictures in hints_of(golden, settings["frames"]).items():
                control = comfy.controlnet.ControlNet(controlnet_of(golden, kind), load_device=model.load_device)
                conds = controlled(conds, control, pictures, 1.0, kind)
        steps: list[Tensor] = []
        y = comfy.sample.sample_custom(
            model,
            _frames(t["noise"]),
            settings["cfg"],
            comfy.samplers.sampler_object("euler"),
            sampling.sigmas(settings["steps"]),
            *conds,
            blurred / LATENT_SCALE,
            callback=lambda step, denoised, x, total: steps.append(x.clone()),
            disable_pbar=True,
        )
        # The callback shows what each step began with, on the scale of its noise level.
        for i, level in enumerate(sampling.sigmas(settings["steps"])[1:-1], start=1):
            yield f"step{i - 1}", steps[i] / (1 + level**2) ** 0.5, _frames(t[f"step{i - 1}"])
        yield "y", y * LATENT_SCALE, _frames(t["y"])

    return run


XDYNA_SAMPLE_CASES = {case: _sample(case) for case in ("xdyna_sample_plain", "xdyna_sample", "xdyna_sample_windows")}
