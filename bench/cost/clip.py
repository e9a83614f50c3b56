"""What a clip costs per frame, counted for every way to sample it: UNet batch
items, arithmetic and bytes copied to the device.

python run.py bench clip [--frames 100] [--size 512] [--steps 25] [--stage1-steps 10]

Batch items are counted from the layouts of windows and trees, arithmetic from the full-size UNet with
the networks of each way on torch's meta device. Bytes are the features of the drive and of the key
frames in half precision, each copied once per run; `each call` is the number if they were copied at
every UNet call. `limit` is the same sampling with every frame in one window per step and its features
copied once: no method can need less without changing the number of steps. The few-step ways are the
presets of the Portrait Video Sampler's help page.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import NamedTuple

import torch

from ...sk_attention.motion import MotionPatch
from ...sk_attention.published_files import ANIMATEDIFF, MOTION, find_part
from ...unet.clip.keyframes import key_frame_levels, published_padding, windows
from ...unet.hosts.comfy_injection import TemporalPatch
from ...unet.hosts.diffusers_hooks import bound
from ...unet.hosts.diffusers_injection import moving
from ...unet.patches import DOWN, UP, WeightedPatch
from ..options import bench_parser
from .overhead import CELLS, DRIVEN, OPTIONS, WIDTHS, Step, counted, patches_of, sd15

LENGTH, OVERLAP, HALF = 12, 4, 2  # frames of a window and of an overlap; bytes of a number


class Cost(NamedTuple):
    """What a whole clip costs.

    still, moving: frames per step through the UNet, times steps, without and with motion modules; looks: UNet
    passes that capture the features of key frames; brought, called: frames whose features are copied to the
    device, once per run, or at every UNet call; least_still, least_moving: `still` and `moving` of the limit,
    in which no frame is sampled twice in a step
    """

    still: int
    moving: int
    looks: int
    brought: int
    called: int
    least_still: int
    least_moving: int


def two_stages(n: int, steps: int, first: int, published: bool) -> Cost:
    """Return the cost of two stages (v1 and v2).

    first: steps of the first stage; published: as in the official code.
    """
    layout = published_padding(n, LENGTH, OVERLAP).windows if published else windows(n, LENGTH, OVERLAP)
    rows = sum(map(len, layout))
    return Cost(n * first, rows * steps, 0, 2 * n, n * first + rows * steps, n * first, n * steps)


def tree(n: int, steps: int, first: int, published: bool) -> Cost:
    """Return the cost of key frames (v5): all levels of the tree, down to the clip itself."""
    levels = key_frame_levels(n, LENGTH, published=published)
    rows = sum(len(window) for level in levels for window in level.windows)
    frames, ends = sum(len(level.frames) for level in levels), sum(len(level.ends) for level in levels[1:])
    pads = sum(2 * len(level.windows) for level in levels[1:])
    return Cost(0, rows * steps, ends, frames + ends, (rows + pads) * steps, 0, n * steps)


class Way(NamedTuple):
    """One way to sample a clip."""

    name: str
    version: str
    cost: Callable[..., Cost]
    published: bool = False
    few: tuple[int, int] | None = None  # steps of the two stages with CFG 1; None = the given steps, with CFG

    @property
    def sides(self) -> int:
        """Number of batch items per frame: 1 without guidance, 2 with it."""
        return 1 if self.few else 2


LCM, HYPER = (4, 8), (4, 4)
WAYS = (
    Way("two stages", "v2", two_stages),
    Way("two stages, official code", "v2", two_stages, True),
    Way("two stages, LCM, 4 and 8 steps", "v2", two_stages, few=LCM),
    Way("two stages, Hyper-SD or TCD, 4 and 4", "v2", two_stages, few=HYPER),
    Way("key frames", "v5", tree),
    Way("key frames, official code", "v5", tree, True),
    Way("key frames, LCM, 8 steps", "v5", tree, few=LCM),
    Way("key frames, Hyper-SD or TCD, 4 steps", "v5", tree, few=HYPER),
)


def flops_per_item(version: str, cells: int, moves: bool) -> float:
    """Return the FLOPs per batch item of a patched UNet call for one window with cond and uncond."""
    step = Step(sd15("meta"), cells, "meta", 2 * LENGTH)
    patches = patches_of(version, cells, "meta", LENGTH)
    with ExitStack() as stack, torch.device("meta"):
        if moves and version == "v2":
            part = find_part(ANIMATEDIFF, version)
            weighted = WeightedPatch(TemporalPatch(part.build(part.published).eval()))
            stack.enter_context(moving(step.net, weighted, OPTIONS))
        elif moves:
            part = find_part(MOTION, version)
            patches.append(WeightedPatch(MotionPatch(part.build(part.published).eval())))
        stack.enter_context(bound(step.net, patches, OPTIONS))
        counted(step)  # what is computed once per run
        return counted(step) / (2 * LENGTH)


def bytes_a_frame(version: str, cells: int) -> int:
    """Return the bytes of the features of one frame."""
    return HALF * sum(WIDTHS[s] * (cells // CELLS[s]) ** 2 for s in DRIVEN.get(version, (*DOWN, *UP)))


def main(argv: list[str]) -> int:
    parser = bench_parser("clip", __doc__)
    parser.add_argument("--frames", type=int, default=100, help="of the clip")
    parser.add_argument("--size", type=int, default=512, help="pixels per side")
    parser.add_argument("--steps", type=int, default=25, help="of the second stage and of every level")
    parser.add_argument("--stage1-steps", type=int, default=10, help="of the first stage")
    options = parser.parse_args(argv)
    n, cells = options.frames, options.size // 8
    flops = {(g, moves): flops_per_item(g, cells, moves) for g in ("v2", "v5") for moves in (False, True)}
    print(
        f"{f'per frame, {n} frames of {options.size} px':40}   items (limit)   TFLOP (limit)   host-to-device MB (limit, each call)"
    )
    for way in WAYS:
        first, steps = way.few or (options.stage1_steps, options.steps)
        cost = way.cost(n, steps, first, way.published)
        rows = way.sides * (cost.still + cost.moving) + cost.looks
        alone, together = (way.sides * flops[way.version, moves] for moves in (False, True))
        work = cost.still * alone + cost.moving * together + cost.looks * flops[way.version, False]
        least = cost.least_still * alone + cost.least_moving * together
        least_rows = cost.least_still + cost.least_moving
        megabytes = bytes_a_frame(way.version, cells) / 1e6 / n
        print(
            f"{way.version} {way.name:37} {rows / n:6.1f} ({way.sides * least_rows / n:5.1f})"
            f"  {work / n / 1e12:6.1f} ({least / n / 1e12:5.1f})"
            f"  {cost.brought * megabytes:8.1f} ({n * megabytes:5.1f}, {cost.called * megabytes:6.1f})",
            flush=True,
        )
    return 0
