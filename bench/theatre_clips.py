"""Whole clips of the small world in ComfyUI: the Two-Stage Sampler against frames alone, and the seams of its windows.

The networks run narrow in the host's own UNet class; only its timestep keeps SD1.5's width, as in training.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

from ..demo import host
from ..demo.environment import CACHE
from ..demo.world import SIZE, Wishes, World
from ..sk_attention.parts import ANIMATEDIFF, DRIVE, REFERENCE
from ..theatre import Identity, State, clip, draw, truth
from ..train import world as networks
from ..train.base import SCALE, SINUSOID
from ..unet.stages import windows
from .readers import HELD_OUT
from .theatre_stage import Pictures

FRAMES, FPS, LENGTH, OVERLAP = 40, 15.0, 12, 4
SEAM = 1.2  # a seam may change this much more than elsewhere


class Clip(NamedTuple):
    """One person's motion as drawn; with every frame alone, from its own noise or all from one; and in two stages, the second from
    noise of its own for every frame, or from one."""

    drawn: Pictures
    apart: Pictures
    alone: Pictures
    staged: Pictures
    shared: Pictures


def change(pictures: Pictures) -> np.ndarray:
    """(F - 1,) mean absolute difference of neighbours, 0..255."""
    return np.array([np.abs(a.astype(float) - b).mean() for a, b in zip(pictures[1:], pictures)])


def flicker(pictures: Pictures) -> float:
    """Mean absolute second difference, 0..255."""
    x = np.stack(pictures).astype(float)
    return float(np.abs(x[2:] - 2 * x[1:-1] + x[:-2]).mean())


def seams(frames: int) -> np.ndarray:
    """(F - 1,) bool: between these neighbours a window begins or ends."""
    layout = windows(frames, LENGTH, OVERLAP)
    borders = {w[0] - 1 for w in layout if w[0]} | {w[-1] for w in layout if w[-1] < frames - 1}
    return np.isin(np.arange(frames - 1), list(borders))


def judged(table, world: World, people: int = 3) -> list[Clip]:
    """Sample clips and judge them."""
    host.enter(host.find(), CACHE / "base")
    model = _model(world)
    made = [_clip(world, model, HELD_OUT + k) for k in range(people)]
    own, *flickers = (np.mean([flicker(pictures) for pictures in column]) for column in zip(*made))
    apart, alone, staged, shared = (value - own for value in flickers)
    for noise, two_stages, frames in (("each frame its noise", staged, apart), ("one noise", shared, alone)):
        told = f"two stages {two_stages:.2f}, frames alone {frames:.2f}"
        table.say(f"flicker over the drawn, {noise}", told, "falls", bool(two_stages < frames))
    at = seams(FRAMES)
    ratios = [np.mean(change(c.staged)[at]) / np.mean(change(c.staged)[~at]) for c in made]
    natural = [np.mean(change(c.drawn)[at]) / np.mean(change(c.drawn)[~at]) for c in made]
    table.below("change at seams against elsewhere", float(np.mean(ratios) / np.mean(natural)), SEAM)
    return made


def _model(world: World):
    import comfy.sd  # noqa: F401  (before the nodes: the host's order of imports)
    from comfy_extras.nodes_model_advanced import ModelSamplingDiscrete

    from .narrow_comfy import operations, patcher

    state = networks.wide_base(world.base, times=1)
    weights = {key.removeprefix(networks.PREFIX): value for key, value in state.items() if key.startswith(networks.PREFIX)}
    time, narrow = weights["time_embed.0.weight"], len(weights["input_blocks.0.0.weight"])
    model = patcher(weights | {"time_embed.0.weight": time[:, :narrow]})
    unet = model.model.diffusion_model
    unet.model_channels = SINUSOID
    unet.time_embed[0] = operations.Linear(SINUSOID, len(time))
    unet.time_embed[0].weight = torch.nn.Parameter(time, requires_grad=False)
    unet.time_embed[0].bias = torch.nn.Parameter(weights["time_embed.0.bias"], requires_grad=False)
    return ModelSamplingDiscrete().patch(model, "v_prediction", False)[0]


def _network(world: World, kind: str):
    from ..nodes.hellomeme.networks import managed
    from ..sk_attention.checkpoint import load

    return managed(load(world.part(kind).state_dict(), kind))


def _clip(world: World, model, seed: int, wishes: Wishes | None = None) -> Clip:
    import comfy.samplers
    from comfy_extras.nodes_custom_sampler import Noise_RandomNoise

    from ..nodes.face.pictures import DrawHeadPose
    from ..nodes.hellomeme.apply import Apply, SharedNoise
    from ..nodes.hellomeme.encode import EncodeDrive, EncodeReference
    from ..nodes.hellomeme.two_stage import PAPER, TwoStageSampler

    wishes = wishes or Wishes()
    who, states = Identity.of(seed), clip(seed, FRAMES, FPS)
    track = truth(who, states, SIZE, FPS)
    prompt = [[torch.zeros(1, 77, 768), {}]]
    latent = world.shrink([draw(who, State(), SIZE)]) / SCALE
    adapter, encoder = (_network(world, kind) for kind in (REFERENCE, DRIVE))
    reference = EncodeReference.execute(model, adapter, prompt, prompt, {"samples": latent}).result[0]
    head_pose = DrawHeadPose.execute(track, 0.0, SIZE).result[0]
    drive = EncodeDrive.execute(encoder, head_pose, track).result[0]
    guider = comfy.samplers.CFGGuider(Apply.execute(model, 1.0, 1.0, 0.0, 1.0, reference, drive).result[0])
    guider.set_conds(prompt, prompt)
    guider.set_cfg(wishes.guidance)
    sigmas = comfy.samplers.calculate_sigmas(guider.model_patcher.get_model_object("model_sampling"), "normal", wishes.steps)
    noise, sampler = Noise_RandomNoise(wishes.seed), comfy.samplers.sampler_object("euler")
    start, motion = SharedNoise.execute(drive).result[0], _network(world, ANIMATEDIFF)
    empty = start["samples"]
    apart = guider.sample(noise.generate_noise({"samples": empty}), empty, sampler, sigmas, seed=noise.seed)

    def two_stages(**more):
        usual = {"stage1_steps": wishes.steps, "window_length": LENGTH, "overlap": OVERLAP, "method": PAPER}
        results = TwoStageSampler.execute(noise, guider, sampler, sigmas, start, motion, **usual, **more).result
        return [latent["samples"] for latent in results]

    staged, alone = two_stages()
    shared, _ = two_stages(shared_noise=1.0, stage1={"samples": alone})
    sampled = (world.enlarge(latents * SCALE) for latents in (apart, alone, staged, shared))
    return Clip([draw(who, state, SIZE) for state in states], *sampled)
