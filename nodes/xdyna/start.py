"""The nodes X-Dyna Start Latents and X-Dyna Scheduler: the start
latents and the noise levels of X-Dyna's sampling.
"""

from __future__ import annotations

from comfy_api.latest import io

from ...errors import SingleInputError, SizeError
from ...systems.xdyna import sampling
from ..schema import schema

SHORTEST = sampling.KERNEL // 2 + 1


class BlurredStart(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return schema(
            node_id="SKPortraitBlurredStart",
            display_name="X-Dyna Start Latents",
            category="SK Portrait",
            description="Makes the latents from which X-Dyna starts, before noise is added: every frame is "
            "the reference with a random half of its values blurred. A faint trace of the picture stays "
            "visible through the noise of the first step.",
            search_aliases=["X-Dyna", "repeat latent", "start latent", "Blurred Start"],
            inputs=[
                io.Latent.Input("reference", tooltip="The reference picture from VAE Encode, one picture."),
                io.Int.Input("frames", default=16, min=1, max=4096, tooltip="Length of the clip in frames."),
                io.Int.Input(
                    "seed",
                    default=40,
                    min=0,
                    max=0xFFFFFFFFFFFFFFFF,
                    control_after_generate=True,
                    tooltip="Seed of the random choice of blurred values.",
                ),
            ],
            outputs=[
                io.Latent.Output(
                    display_name="latent", tooltip="One latent per frame, for a sampler that adds noise."
                )
            ],
        )

    @classmethod
    def execute(cls, reference: io.Latent.Type, frames: int, seed: int) -> io.NodeOutput:
        samples = reference["samples"]
        if len(samples) != 1 or samples.ndim != 4:
            raise SingleInputError(
                f"The reference must be one picture, but its latent has shape {tuple(samples.shape)}.",
                len(samples),
            )
        if min(samples.shape[-2:]) < SHORTEST:
            raise SizeError(
                f"The reference has {samples.shape[-1]}x{samples.shape[-2]} latent pixels; the blur needs at "
                f"least {SHORTEST}x{SHORTEST}. Use a larger picture.",
                (samples.shape[-1] * 8, samples.shape[-2] * 8),
            )
        return io.NodeOutput({"samples": sampling.blurred_start(samples, frames, seed)})


class XDynaSteps(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return schema(
            node_id="SKPortraitXDynaSteps",
            display_name="X-Dyna Scheduler",
            category="SK Portrait",
            description="Makes the sigmas of X-Dyna's DDIM sampler: with 25 steps, those of the timesteps "
            "961, 921, ... 1, then 0. Use them with euler, which then equals DDIM.",
            search_aliases=["X-Dyna", "DDIM", "sigmas", "scheduler", "X-Dyna Steps"],
            inputs=[
                io.Int.Input(
                    "steps",
                    default=25,
                    min=1,
                    max=sampling.TRAINED_STEPS,
                    tooltip="Number of steps; 25 as published.",
                )
            ],
            outputs=[
                io.Sigmas.Output(
                    display_name="sigmas",
                    tooltip="For Sampler Custom with euler and the MODEL of Apply X-Dyna.",
                )
            ],
        )

    @classmethod
    def execute(cls, steps: int) -> io.NodeOutput:
        return io.NodeOutput(sampling.sigmas(steps))


NODES = [BlurredStart, XDynaSteps]
