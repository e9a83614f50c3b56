"""What skipping steps saves of a clip's cost and loses in quality: ComfyUI's
EasyCache against fewer steps, on drawn heads.

python run.py bench easy_cache [--frames 24] [--people 2]

Two stages as in v2 in ComfyUI with the toy model's weights, CFG 2.25, one noise for all frames. Rows are UNet
batch items per frame of the clip. PSNR is relative to the drawn truth, and to the pictures of 25 steps
without a cache (infinite for these themselves).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from ...demo.toy_model import SamplingOptions, World
from ...face_tools.comparison.pixels import psnr
from ...host import installation
from ...host.environment import CACHE
from ...sk_attention.published_files import ANIMATEDIFF
from ...train.base import SCALE
from ..options import bench_parser
from .clips import Take, host_model, network, take
from .probe import HELD_OUT
from .test_set import Pictures

FULL, FIRST = 25, 10  # steps of the second stage, and the most of the first
# (steps, threshold of EasyCache): 0 = without it, 0.2 = its default
WAYS = ((FULL, 0.0), (FULL, 0.1), (FULL, 0.2), (FULL, 0.4), (12, 0.0), (8, 0.0))


def main(argv: list[str]) -> int:
    parser = bench_parser("easy_cache", __doc__)
    parser.add_argument("--frames", type=int, default=24, help="of each clip")
    parser.add_argument("--people", type=int, default=2, help="one clip of each")
    options = parser.parse_args(argv)
    installation.enter(installation.find_or_end(), CACHE / "base")
    torch.set_num_threads(1)  # the operations are so small that a second thread would only wait for the first
    world = World()
    model = host_model(world)
    people = [
        ways(world, take(world, model, HELD_OUT + k, options.frames, SamplingOptions()))
        for k in range(options.people)
    ]
    for (steps, threshold), takes in zip(WAYS, zip(*people, strict=True), strict=True):
        rows = np.mean([rows for rows, _, _ in takes]) / options.frames
        drawn = np.mean([close(pictures, truth) for _, pictures, truth in takes])
        full = np.mean(
            [close(pictures, best[1]) for (_, pictures, _), (best, *_) in zip(takes, people, strict=True)]
        )
        name = f"{steps} steps" + (f", EasyCache {threshold:g}" if threshold else "")
        print(
            f"{name:24} {rows:6.1f} rows per frame   PSNR {drawn:.2f} dB to the drawn, {full:.1f} to {FULL} steps",
            flush=True,
        )
    return 0


def ways(world: World, taken: Take) -> list[tuple[int, Pictures, Pictures]]:
    """Return for each way: the number of UNet batch items, the clip, the drawn truth."""
    from comfy_extras.nodes_easycache import EasyCacheNode

    motion, rows, result = network(world, ANIMATEDIFF), [], []
    # A step that EasyCache skips does not call the UNet's first layer.
    first = taken.model.model.diffusion_model.input_blocks[0][0]
    hook = first.register_forward_pre_hook(lambda layer, given: rows.append(len(given[0])))
    try:
        for steps, threshold in WAYS:
            rows.clear()
            model = taken.model
            if threshold:
                model = EasyCacheNode.execute(model, threshold, 0.15, 0.95, False).result[0]
            way = taken._replace(model=model, options=replace(taken.options, steps=steps))
            latents, _ = way.staged(motion, stage1_steps=FIRST, shared_noise=1.0)
            result.append((sum(rows), world.enlarge(latents * SCALE), taken.drawn))
    finally:
        hook.remove()
    return result


def close(pictures: Pictures, truth: Pictures) -> float:
    """Return the mean PSNR of a clip in dB."""
    return float(np.mean([psnr(a, b) for a, b in zip(pictures, truth, strict=True)]))
