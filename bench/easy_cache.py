"""What skipping steps saves of a clip and costs of its pictures: the host's EasyCache against fewer steps, on drawn heads.

python run.py bench easy_cache [--frames 24] [--people 2]

Two stages of v2's kind in ComfyUI with the small world's weights, CFG 1.5, one noise for all frames. Rows are those that went through the
UNet, for one frame of the clip. PSNR is that to the drawn truth, and to the pictures of 25 steps without a cache (infinite to itself).
"""

from __future__ import annotations

import argparse

import numpy as np
import torch

from ..demo import host
from ..demo.environment import CACHE
from ..demo.world import Wishes, World
from ..sk_attention.parts import ANIMATEDIFF
from ..train.base import SCALE
from .readers import HELD_OUT
from .theatre_clips import LENGTH, OVERLAP, host_model, network, take
from .theatre_stage import Pictures

FULL, FIRST = 25, 10  # steps of the second stage, at most of the first
# Steps, threshold of EasyCache; 0: without it, 0.2: its default.
WAYS = ((FULL, 0.0), (FULL, 0.1), (FULL, 0.2), (FULL, 0.4), (12, 0.0), (8, 0.0))


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="run.py bench easy_cache", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--frames", type=int, default=24, help="(default: %(default)s)")
    parser.add_argument("--people", type=int, default=2, help="(default: %(default)s)")
    options = parser.parse_args(argv)
    comfy = host.find()
    if comfy is None:
        raise SystemExit("This bench needs ComfyUI, which was not found; COMFYUI_PATH names its folder.")
    host.enter(comfy, CACHE / "base")
    torch.set_num_threads(1)  # small operations: a second thread only waits for the first
    world = World()
    model = host_model(world)
    people = [[sampled(world, model, HELD_OUT + k, options.frames, *way) for way in WAYS] for k in range(options.people)]
    for (steps, threshold), takes in zip(WAYS, zip(*people, strict=True), strict=True):
        rows = np.mean([rows for rows, _, _ in takes]) / options.frames
        drawn = np.mean([psnr(pictures, truth) for _, pictures, truth in takes])
        full = np.mean([psnr(pictures, ways[0][1]) for (_, pictures, _), ways in zip(takes, people, strict=True)])
        name = f"{steps} steps" + (f", EasyCache {threshold:g}" if threshold else "")
        print(f"{name:24} {rows:6.1f} rows a frame   PSNR {drawn:.2f} dB to the drawn, {full:.1f} to {FULL} steps", flush=True)
    return 0


def sampled(world: World, model, seed: int, frames: int, steps: int, threshold: float) -> tuple[int, Pictures, Pictures]:
    """Rows that went through the UNet, the clip, the drawn truth."""
    import comfy.samplers
    from comfy_extras.nodes_easycache import EasyCacheNode

    from ..nodes.hellomeme.two_stage import PAPER, TwoStageSampler

    cached = EasyCacheNode.execute(model, threshold, 0.15, 0.95, False).result[0] if threshold else model
    drawn, guider, sigmas, noise, start = take(world, cached, seed, frames, Wishes(steps=steps))
    rows = []
    # A hook of the UNet's first layer: a step that EasyCache skips does not reach it.
    hook = model.model.diffusion_model.input_blocks[0][0].register_forward_pre_hook(lambda layer, given: rows.append(len(given[0])))
    try:
        latents = TwoStageSampler.execute(
            noise,
            guider,
            comfy.samplers.sampler_object("euler"),
            sigmas,
            start,
            motion=network(world, ANIMATEDIFF),
            stage1_steps=FIRST,
            window_length=LENGTH,
            overlap=OVERLAP,
            method=PAPER,
            shared_noise=1.0,
        ).result[0]["samples"]
    finally:
        hook.remove()
    return sum(rows), world.enlarge(latents * SCALE), drawn


def psnr(pictures: Pictures, truth: Pictures) -> float:
    """Of a clip, dB; infinite where both are the same."""
    errors = [np.mean((a.astype(float) - b) ** 2) for a, b in zip(pictures, truth, strict=True)]
    return float(np.mean([10 * np.log10(255**2 / error) if error else np.inf for error in errors]))
