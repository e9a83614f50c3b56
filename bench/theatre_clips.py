"""Whole clips of the small world in ComfyUI: the Two-Stage Sampler against frames alone, and the seams of its windows.

The networks run narrow in the host's own UNet class; only its timestep keeps SD1.5's width, as in training.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from ..demo import host
from ..demo.environment import CACHE
from ..demo.world import SIZE, Wishes, World
from ..theatre import Identity, State, clip, draw, truth
from ..train import world as networks
from ..train.base import SCALE, SINUSOID
from ..unet.stages import windows
from .readers import HELD_OUT
from .theatre_stage import Pictures

FRAMES, FPS, LENGTH, OVERLAP = 40, 15.0, 12, 4
SEAM = 1.2  # a seam may change this much more than elsewhere


@dataclass(frozen=True)
class Clip:
    """One person's motion as drawn, with every frame alone, and in two stages."""

    drawn: Pictures
    alone: Pictures
    staged: Pictures


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
    drawn, alone, staged = (float(np.mean([flicker(getattr(c, name)) for c in made])) for name in ("drawn", "alone", "staged"))
    told = f"frames alone {alone - drawn:.2f}, two stages {staged - drawn:.2f}"
    table.say("flicker beyond the drawing's own", told, "falls", staged < alone)
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
    adapter, encoder, motion = (_network(world, part.kind) for part in networks.parts())
    reference = EncodeReference.execute(model, adapter, prompt, prompt, {"samples": latent}).result[0]
    head_pose = DrawHeadPose.execute(track, 0.0, SIZE).result[0]
    drive = EncodeDrive.execute(encoder, head_pose, track).result[0]
    guider = comfy.samplers.CFGGuider(Apply.execute(model, 1.0, 1.0, 0.0, 1.0, reference, drive).result[0])
    guider.set_conds(prompt, prompt)
    guider.set_cfg(wishes.guidance)
    sigmas = comfy.samplers.calculate_sigmas(guider.model_patcher.get_model_object("model_sampling"), "normal", wishes.steps)
    final, first = TwoStageSampler.execute(
        Noise_RandomNoise(wishes.seed), guider, comfy.samplers.sampler_object("euler"), sigmas, SharedNoise.execute(drive).result[0],
        motion, stage1_steps=wishes.steps, window_length=LENGTH, overlap=OVERLAP, method=PAPER,
    ).result  # fmt: skip
    alone, staged = (world.enlarge(result["samples"] * SCALE) for result in (first, final))
    return Clip([draw(who, state, SIZE) for state in states], alone, staged)


