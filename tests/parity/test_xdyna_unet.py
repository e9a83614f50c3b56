"""Parity of X-Dyna on ComfyUI's own classes: its ControlNets, its UNet one part at a time, three steps of its sampler."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from einops import rearrange
from torch import Tensor

from sk_portrait.systems.xdyna.patch import Dynamics, attach
from sk_portrait.testing.golden import Golden
from sk_portrait.testing.golden_networks import frames_first
from sk_portrait.testing.golden_sampling import LATENT_SCALE
from sk_portrait.testing.golden_systems import TEXT, TOKENS, adapter_of, controlnet_of, hints_of, motion_of
from sk_portrait.unet.clip.frames import COND, UNCOND
from sk_portrait.unet.hosts.comfy_hooks import KEY
from sk_portrait.unet.hosts.comfy_injection import TemporalPatch
from sk_portrait.unet.hosts.comfy_injection import attach as attach_motion
from sk_portrait.unet.patches import WeightedPatch

Compared = Iterator[tuple[str, Tensor, Tensor]]  # (key of the output, ours, reference)


def _residuals(golden: Golden, kind: str) -> dict[str, list[Tensor]]:
    t, settings = golden.tensors("xdyna_controlnet"), golden.index["cases"]["xdyna_controlnet"]
    hint = hints_of(golden, settings["frames"])[kind].movedim(-1, 1).repeat(2, 1, 1, 1)
    steps = torch.full((len(t["x"]),), float(settings["timestep"]))
    with torch.no_grad():
        return controlnet_of(golden, kind)(
            t["x"], hint, steps, t["context"].repeat_interleave(settings["frames"], 0)
        )


def _controlnet(golden: Golden, host) -> Compared:
    t = golden.tensors("xdyna_controlnet")
    for kind in ("pose", "face"):
        residuals = _residuals(golden, kind)
        for i, residual in enumerate(residuals["output"]):
            yield f"{kind}.{i}", residual[:, ::4], t[f"{kind}.{i}"]
        yield f"{kind}.middle", residuals["middle"][0][:, ::4], t[f"{kind}.middle"]


def _unet(golden: Golden, host) -> Compared:
    import comfy.model_management
    from comfy.ldm.modules.attention import optimized_attention

    t, settings = golden.tensors("xdyna_unet"), golden.index["cases"]["xdyna_unet"]
    frames, x, reference = settings["frames"], t["x"][:, :, 1:], t["x"][:1, :, 0]
    text, tokens = t["context"].split([TEXT, TOKENS], dim=1)
    adapter, motion = adapter_of(golden, host.operations), motion_of(golden, host.operations)
    pose, face = _residuals(golden, "pose"), _residuals(golden, "face")
    control = {
        side: [a + b for a, b in zip(pose[side], face[side], strict=True)] for side in ("output", "middle")
    }

    def forward(
        strength: float = 1.0, joint: bool = True, image: bool = False, moves: bool = False, control=None
    ) -> Tensor:
        model = host.patcher.clone()
        dynamics = Dynamics(
            adapter, reference, tokens.flip(0) if image else None, strength, joint
        )  # golden halves: uncond first
        attach(model, dynamics, optimized_attention)
        if moves:
            attach_motion(model, WeightedPatch(TemporalPatch(motion)))
        comfy.model_management.load_models_gpu([model], force_full_load=True)
        for injection in model.get_injections(KEY) or ():
            injection.inject(model)
        options = model.model_options["transformer_options"] | {
            "cond_or_uncond": [UNCOND, COND],
            "wrappers": model.wrappers,
        }
        steps = torch.full((2 * frames,), float(settings["timestep"]))
        with torch.no_grad():
            y = model.model.diffusion_model(
                frames_first(x),
                steps,
                text.repeat_interleave(frames, 0),
                control=control,
                transformer_options=options,
            )
        for injection in model.get_injections(KEY) or ():
            injection.eject(model)
        return rearrange(y, "(b f) c h w -> b c f h w", b=2)

    for name, parts in (
        ("y_plain", {"strength": 0.0}),
        ("y_adapter", {}),
        ("y_adapter_framewise_norm", {"joint": False}),
        ("y_adapter_ip", {"image": True}),
        ("y_adapter_motion", {"moves": True}),
        ("y_no_control", {"image": True, "moves": True}),
        ("y", {"image": True, "moves": True, "control": control}),
    ):
        yield name, forward(**parts), t[name][:, :, 1:]


def _frames(x: Tensor) -> Tensor:
    return rearrange(x, "1 c f h w -> f c h w")


def _sample(case: str):
    def run(golden: Golden, host) -> Compared:
        import comfy.controlnet
        import comfy.sample
        import comfy.samplers
        from comfy.ldm.modules.attention import optimized_attention

        from sk_portrait.nodes.windows import see_in_windows
        from sk_portrait.nodes.xdyna.apply import linear_schedule
        from sk_portrait.nodes.xdyna.hints import controlled
        from sk_portrait.systems.xdyna import sampling
        from sk_portrait.systems.xdyna.patch import Dynamics, attach
        from sk_portrait.unet.clip.keyframes import looped_windows
        from sk_portrait.unet.clip.run import GRID
        from sk_portrait.unet.clip.windows import Plan
        from sk_portrait.unet.hosts.comfy_injection import TemporalPatch
        from sk_portrait.unet.hosts.comfy_injection import attach as attach_motion
        from sk_portrait.unet.patches import WeightedPatch

        t, settings = golden.tensors(case), golden.index["cases"][case]
        (negative, positive), tokens = golden.tensors("xdyna_unet")["context"].split([TEXT, TOKENS], dim=1)
        reference, length, overlap = t["z_ref"][:, :, 0], settings["window"], settings["overlap"]
        blurred = sampling.mixed(reference, _frames(t["mask"][:, :, 1:]))
        yield "blurred", blurred, _frames(t["blurred"])

        model = host.patcher.clone()
        attach(
            model,
            Dynamics(adapter_of(golden, host.operations), reference, tokens.flip(0)),
            optimized_attention,
        )
        attach_motion(model, WeightedPatch(TemporalPatch(motion_of(golden, host.operations))))
        model.add_object_patch("model_sampling", linear_schedule(model))

        offsets = dict(
            zip((GRID - sampling.timesteps(settings["steps"])).tolist(), settings["offsets"], strict=True)
        )

        def plan(n: int, moment: Callable[[], int]) -> Plan:
            return Plan.of(looped_windows(n, length, overlap, offsets[moment()]), False, range(n), n)

        see_in_windows(model, plan, length)
        conds = [[[positive[None], {}]], [[negative[None], {}]]]
        if settings["controls"]:
            for kind, pictures in hints_of(golden, settings["frames"]).items():
                control = comfy.controlnet.ControlNet(
                    controlnet_of(golden, kind), load_device=model.load_device
                )
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


SAMPLED = ("xdyna_sample_plain", "xdyna_sample", "xdyna_sample_windows")
CASES = {"xdyna_controlnet": _controlnet, "xdyna_unet": _unet} | {case: _sample(case) for case in SAMPLED}
OUTPUTS = {"xdyna_controlnet": r"(pose|face)\.(\d+|middle)"} | dict.fromkeys(SAMPLED, r"blurred|step\d|y")
COMFY_ONLY = set(CASES)


def test_xdyna_unet_and_sampler(row):
    assert row.error <= row.tolerance
