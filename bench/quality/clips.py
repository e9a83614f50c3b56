"""Whole clips of the toy model in ComfyUI: two stages and key frames compared with
single frames, and the seams of their windows.

The networks run narrow in ComfyUI's own UNet class; only its
timestep embedding has SD1.5's width, as in training.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch

from ...demo.toy_model import SIZE, SamplingOptions, World
from ...drawn_heads import Identity, State, clip, draw, truth
from ...face_tools.comparison import pixels
from ...host import installation
from ...host.environment import CACHE
from ...sk_attention.published_files import ANIMATEDIFF, DRIVE, MOTION, REFERENCE
from ...train.base import SCALE, SINUSOID
from ...train.toy import definition as networks
from ...unet.clip.keyframes import chain, windows
from .probe import HELD_OUT
from .test_set import Pictures

FRAMES, FPS, LENGTH, OVERLAP = 40, 15.0, 12, 4
PROMPT = [[torch.zeros(1, 77, 768), {}]]  # the toy model has no text attention
SEAM = 1.2  # largest ratio of the change at seams to that elsewhere


class Clip(NamedTuple):
    """One person's motion, drawn and sampled.

    drawn: the truth; alone, staged, keyed: every frame alone, two stages, key frames, each with separate
    noise per moving frame; *_one: the same with one noise for all frames
    """

    drawn: Pictures
    alone: Pictures
    staged: Pictures
    keyed: Pictures
    alone_one: Pictures
    staged_one: Pictures
    keyed_one: Pictures


def flicker(pictures: Pictures) -> float:
    """Return the mean absolute second difference, 0..255."""
    return pixels.motion(pictures).mean_flicker


def seam(pictures: Pictures, layout) -> float:
    """Return the change at steps where a window of the layout begins or ends, divided by that elsewhere."""
    return pixels.seam_ratio(pixels.motion(pictures).change, pixels.borders(layout, len(pictures)))


def evaluated(table, world: World, people: int = 3) -> list[Clip]:
    """Sample clips and add their evaluation to the table."""
    installation.enter(installation.find(), CACHE / "base")
    model = host_model(world)
    made = [_clip(world, model, HELD_OUT + k) for k in range(people)]
    own, *flickers = (np.mean([flicker(pictures) for pictures in column]) for column in zip(*made))
    for noise, values in (("each frame its noise", flickers[:3]), ("one noise", flickers[3:])):
        alone, *others = (value - own for value in values)
        told = f"frames alone {alone:.2f}, two stages {others[0]:.2f}, key frames {others[1]:.2f}"
        table.say(f"flicker over the drawn, {noise}", told, "falls", max(others) < alone)
    for name, way, layout in (
        ("two stages", "staged", windows(FRAMES, LENGTH, OVERLAP)),
        ("key frames", "keyed", chain(FRAMES, LENGTH)),
    ):
        ratios, natural = (
            np.mean([seam(getattr(clip, of), layout) for clip in made]) for of in (way, "drawn")
        )
        table.below(f"{name}: change at seams over elsewhere", float(ratios / natural), SEAM)
    return made


def host_model(world: World):
    """Return the toy model's UNet as a MODEL. ComfyUI must have been entered."""
    import comfy.sd  # noqa: F401  (before the nodes, as in ComfyUI's own order of imports)
    from comfy_extras.nodes_model_advanced import ModelSamplingDiscrete

    from ...testing.tiny_comfy import operations, patcher

    state = networks.wide_base(world.base, times=1)
    weights = {
        key.removeprefix(networks.PREFIX): value
        for key, value in state.items()
        if key.startswith(networks.PREFIX)
    }
    time, narrow = weights["time_embed.0.weight"], len(weights["input_blocks.0.0.weight"])
    model = patcher(weights | {"time_embed.0.weight": time[:, :narrow]})
    unet = model.model.diffusion_model
    unet.model_channels = SINUSOID
    unet.time_embed[0] = operations.Linear(SINUSOID, len(time))
    unet.time_embed[0].weight = torch.nn.Parameter(time, requires_grad=False)
    unet.time_embed[0].bias = torch.nn.Parameter(weights["time_embed.0.bias"], requires_grad=False)
    return ModelSamplingDiscrete().patch(model, "v_prediction", False)[0]


def network(world: World, kind: str):
    """Return one of the toy model's other networks, as a loader returns it."""
    from ...nodes.hellomeme.networks import managed
    from ...sk_attention.checkpoint import load

    return managed(load(world.part(kind).state_dict(), kind))


class Take(NamedTuple):
    """One person's motion as drawn, and the inputs of the sampler: a MODEL
    with Animate Portrait, NOISE, Portrait Latents.
    """

    drawn: Pictures
    model: Any
    options: SamplingOptions
    noise: Any
    start: dict

    def sampling(self) -> tuple:
        """Return (GUIDER, SAMPLER, SIGMAS)."""
        import comfy.samplers

        guider = comfy.samplers.CFGGuider(self.model)
        guider.set_conds(PROMPT, PROMPT)
        guider.set_cfg(self.options.guidance)
        sigmas = comfy.samplers.calculate_sigmas(
            self.model.get_model_object("model_sampling"), "normal", self.options.steps
        )
        return guider, comfy.samplers.sampler_object("euler"), sigmas

    def staged(self, *motions, **more) -> list[torch.Tensor]:
        """Return the latents of the Portrait Video Sampler: the video and its first stage."""
        from ...nodes.hellomeme.two_stage import PAPER, TwoStageSampler

        usual = {
            "stage1_steps": self.options.steps,
            "window_length": LENGTH,
            "overlap": OVERLAP,
            "method": PAPER,
        }
        wires = dict(zip(("motion", "motion_2"), motions, strict=False))
        results = TwoStageSampler.execute(
            self.noise, *self.sampling(), self.start, **wires, **(usual | more)
        ).result
        return [latent["samples"] for latent in results]


def take(world: World, model, seed: int, frames: int, options: SamplingOptions) -> Take:
    """Return a clip outside the training data."""
    from comfy_extras.nodes_custom_sampler import Noise_RandomNoise

    from ...nodes.face.pictures import DrawHeadPose
    from ...nodes.hellomeme.apply import Apply, SharedNoise
    from ...nodes.hellomeme.encode import EncodeDrive, EncodeReference

    who, states = Identity.of(seed), clip(seed, frames, FPS)
    track = truth(who, states, SIZE, FPS)
    latent = world.shrink([draw(who, State(), SIZE)]) / SCALE
    adapter, encoder = (network(world, kind) for kind in (REFERENCE, DRIVE))
    reference = EncodeReference.execute(model, adapter, PROMPT, PROMPT, {"samples": latent}).result[0]
    head_pose = DrawHeadPose.execute(track, 0.0, SIZE).result[0]
    drive = EncodeDrive.execute(encoder, head_pose, track).result[0]
    patched = Apply.execute(model, 1.0, 1.0, 0.0, 1.0, reference, drive).result[0]
    start, noise = SharedNoise.execute(drive).result[0], Noise_RandomNoise(options.seed)
    return Take([draw(who, state, SIZE) for state in states], patched, options, noise, start)


def _clip(world: World, model, seed: int) -> Clip:
    taken = take(world, model, seed, FRAMES, SamplingOptions())
    noise, empty, (guider, *sampling) = taken.noise, {"samples": taken.start["samples"]}, taken.sampling()
    alone = guider.sample(noise.generate_noise(empty), empty["samples"], *sampling, seed=noise.seed)
    motion, key_frames = network(world, ANIMATEDIFF), network(world, MOTION)
    staged, alone_one = taken.staged(motion)
    staged_one, _ = taken.staged(motion, shared_noise=1.0, stage1={"samples": alone_one})
    keyed, keyed_one = (taken.staged(key_frames, motion, shared_noise=share)[0] for share in (0.0, 1.0))
    ways = (
        world.enlarge(latents * SCALE) for latents in (alone, staged, keyed, alone_one, staged_one, keyed_one)
    )
    return Clip(taken.drawn, *ways)
