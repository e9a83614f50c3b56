"""Time and memory against the official HelloMeme pipeline, with the same weights, latents, steps and dtype.

python run.py bench official --official PATH [--width 64] [--size 256] [--frames 20] [--steps 4] [--rounds 3]

PATH is your copy of ComfyUI_HelloMeme. Both sides sample one v2 clip (tiny models with deterministic random
weights, CFG, fp32, PyTorch's attention) in turn in one process. A ratio is the official seconds divided by
ours: the median over the rounds, with its spread. `paper` is our sampler as it is; `official code` computes
as the official one, and must return the same latents. `arithmetic` is the official FLOPs divided by ours,
which is the possible speed-up with the same kernels. Start-up and peaks are measured in separate
processes: loading time in addition to ComfyUI's own start, and the peak of all tensors while loading and
sampling, weights included.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from ...host.installation import enter, find_or_end
from ...testing.compare import relative_error
from ...testing.golden import Golden
from ...testing.golden_networks import open_host
from ..cost import overhead
from ..cost.live_tensors import Alive
from ..cost.memory import peak_bytes
from ..options import bench_parser
from ..processes import answer_of
from ..verdict import row, verdict
from .clip import VERSION, Inputs, Sizes, now, write_weights

# The first two are methods of the sampler.
PAPER, PUBLISHED, OFFICIAL = "paper", "official code", "official"
PARTS = ("reference", "encoders", "stage 1", "stage 2")
LEAST = {PAPER: {"stage 1": 2.5, "stage 2": 1.8}, PUBLISHED: {"stage 1": 1.3, "stage 2": 1.15}}
TOLERANCE = 1e-3  # of the largest latent
SHARE_OF_MEMORY, FULL_SIZE = 0.5, 512
Sample = Callable[..., tuple[Tensor, dict[str, float]]]


def main(argv: list[str]) -> int:
    parser = bench_parser("official", __doc__)
    parser.add_argument("--official", required=True, metavar="PATH", help="a copy of ComfyUI_HelloMeme")
    widths = (32, 64, 128, 320)
    parser.add_argument("--width", type=int, default=32, choices=widths, help="of the UNet's first block")
    parser.add_argument("--size", type=int, default=128, help="pixels per side")
    parser.add_argument("--frames", type=int, default=20, help="of the clip")
    parser.add_argument("--steps", type=int, default=4, help="of each stage")
    parser.add_argument("--rounds", type=int, default=3, help="of which the median counts")
    parser.add_argument("--one", nargs=2, metavar=("SIDE", "FOLDER"), help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    sizes = Sizes(options.width, options.size, options.frames, options.steps)
    if not (Path(options.official) / "hellomeme").is_dir():
        parser.error(f"{options.official} is no copy of ComfyUI_HelloMeme: it has no folder hellomeme.")
    if options.steps < 2:
        parser.error(
            "--steps must be 2 or more: a single step begins at another noise level in diffusers than in ComfyUI."
        )
    golden = Golden()
    open_with_pytorch_attention(golden)
    if options.one:
        print(json.dumps(alone(*options.one, options.official, golden, sizes)))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        write_weights(Path(folder), golden, sizes, unet_shapes)
        print(
            f"one clip of {options.frames} frames at {options.size} px, {options.steps} steps a stage, UNet width {options.width}"
        )
        whole_call(options.official)
        rows = [*times(options, golden, sizes, Path(folder)), *processes(argv, folder)]
    return verdict(rows)


def open_with_pytorch_attention(golden: Golden) -> None:
    """Open ComfyUI with the attention that it uses on a GPU.

    On a CPU it would use one that saves memory and costs time, while diffusers, in
    the official pipeline, always uses PyTorch's.
    """
    enter(find_or_end(), tempfile.mkdtemp())
    from comfy.cli_args import args

    args.use_pytorch_cross_attention = True
    open_host("comfy", golden)


def unet_shapes(width: int) -> dict[str, tuple[int, ...]]:
    """Return LDM name -> shape for the tensors of the golden UNet with wider blocks."""
    import comfy.model_detection

    from ...testing.tiny_comfy import unfilled

    config = comfy.model_detection.detect_unet_config(Golden().unet_weights(), "")
    with torch.device("meta"):
        net = unfilled(config | {"model_channels": width}, torch.float32).model.diffusion_model
    return {name: tuple(tensor.shape) for name, tensor in net.state_dict().items()}


def whole_call(official: str) -> None:
    """Print the cost of a call of the full-size UNet for both sides."""
    from .theirs import call_at_full_size

    cells = FULL_SIZE // 8
    theirs = call_at_full_size(official, FULL_SIZE)
    ours, _ = overhead.arithmetic(
        overhead.Step(overhead.sd15("meta"), cells, "meta"), overhead.patches_of(VERSION, cells, "meta")
    )
    figures = f"{theirs / 1e9:,.0f} GFLOP against {ours / 1e9:,.0f}, {theirs / ours:.2f} times"
    print(f"     a call of the full-size UNet at {FULL_SIZE} px: {figures}", flush=True)


def times(options: argparse.Namespace, golden: Golden, sizes: Sizes, folder: Path) -> list[bool]:
    """Print the ratio of every part. Returns for each whether it meets its limit."""
    inputs = Inputs.of(golden, sizes)
    samplers = {
        side: opened(side, options.official, folder, golden, sizes) for side in (OFFICIAL, PAPER, PUBLISHED)
    }
    latents, flops = {}, {}
    for side, sample in samplers.items():
        with FlopCounterMode(display=False) as counter:
            latents[side], flops[side] = sample(inputs, sizes.steps, counter.get_total_flops)
    spent: dict[str, list[dict[str, float]]] = {side: [] for side in samplers}
    for _ in range(options.rounds):
        for side, sample in samplers.items():
            spent[side].append(sample(inputs, sizes.steps)[1])
    error = relative_error(latents[PUBLISHED], latents[OFFICIAL].cpu())
    said = f"{PUBLISHED}: latents differ by {error:.1e} of the largest, at most {TOLERANCE:g}"
    rows = [row(error <= TOLERANCE, said)]
    for method in (PAPER, PUBLISHED):
        for part in PARTS:
            ratios = sorted(a[part] / b[part] for a, b in zip(spent[OFFICIAL], spent[method], strict=True))
            middle, least = statistics.median(ratios), LEAST[method].get(part)
            theirs, ours = (statistics.median(a[part] for a in spent[side]) for side in (OFFICIAL, method))
            text = f"{method}: {part} {middle:.2f} times as fast ({ratios[0]:.2f} to {ratios[-1]:.2f} in {len(ratios)} rounds), "
            text += f"{theirs:.2f} s against {ours:.2f} s, "
            text += f"arithmetic {flops[OFFICIAL][part] / flops[method][part]:.2f}"
            if least is None:
                print(f"     {text}", flush=True)
            else:
                rows.append(row(middle >= least, f"{text}, at least {least:g}"))
    return rows


def processes(argv: list[str], folder: str) -> list[bool]:
    """Print the start-up time and the peak of each side, measured in separate processes."""
    found = {}
    for side in (OFFICIAL, PAPER, PUBLISHED):
        found[side] = answer_of("official", *argv, "--one", side, folder)
        start, alive, peak = (found[side][key] for key in ("start", "alive", "process"))
        print(
            f"     {side}: start-up {start:.1f} s, tensors {alive / 2**20:,.0f} MiB, whole process {peak / 2**20:,.0f} MiB",
            flush=True,
        )
    rows = []
    for method in (PAPER, PUBLISHED):
        share = found[method]["alive"] / found[OFFICIAL]["alive"]
        faster = found[OFFICIAL]["start"] / found[method]["start"]
        said = f"{method}: {share:.2f} of the published peak, at most {SHARE_OF_MEMORY:g}; "
        rows.append(row(share <= SHARE_OF_MEMORY, f"{said}start-up {faster:.1f} times as fast"))
    return rows


def opened(side: str, official: str, folder: Path, golden: Golden, sizes: Sizes) -> Sample:
    """Return a function that samples: (inputs, steps) -> latents (F, 4, h, w), and seconds by part."""
    import comfy.model_management

    if side == OFFICIAL:
        from .theirs import Official

        return Official(official, folder, golden, sizes, comfy.model_management.get_torch_device()).sample
    from .ours import Ours

    return partial(Ours(folder, golden, sizes).sample, method=side)


def alone(side: str, folder: str, official: str, golden: Golden, sizes: Sizes) -> dict[str, float]:
    """Return one side's start-up seconds in addition to ComfyUI's, and its peaks in bytes, in this process.

    The number of steps does not change a peak.
    """
    inputs = Inputs.of(golden, sizes)
    before = now()
    with Alive() as alive:
        sample = opened(side, official, Path(folder), golden, sizes)
        start = now() - before
        sample(inputs, 1)
    return {"start": start, "alive": alive.peak, "process": peak_bytes()}
