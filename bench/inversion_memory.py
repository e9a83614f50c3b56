"""Memory of Apply Inversion beyond a plain run, measured: one step of the full-size UNet of SD1.5 with guidance, 16 frames of 512 px.

python run.py bench inversion_memory [--frames N] [--size PIXELS] [--steps N]

The UNet computes in 16 bits, with PyTorch's own attention, as on a GPU; its weights are random. Each of the two runs is a process of its
own, since a peak never falls. The trajectory holds the latents of all its steps, and one step is computed: every step has the same peak.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from ..demo.host import enter, find
from .golden import Golden
from .memory import peak_bytes

LIMIT = 2 << 30  # bytes beyond the plain run
PLAIN, BOOSTED = "plain", "boosted"
WIDTH, TEXT = 320, (77, 768)  # channels at the top of SD1.5, and what it reads


def peak(kind: str, frames: int, cells: int, steps: int) -> int:
    """Bytes at the peak of one step with guidance: as it is, or with an inverted clip and a reference beside it."""
    enter(find(), tempfile.mkdtemp())
    from comfy.cli_args import args

    args.use_pytorch_cross_attention = True

    import comfy.model_detection
    import comfy.samplers
    import torch

    from ..companions.anchored_rows import HERE, TEXT_IN_COND
    from ..companions.trajectory import Trajectory, levels_of
    from ..nodes.anchored.apply_inversion import ApplyInversion
    from .narrow_comfy import unfilled

    narrow = comfy.model_detection.detect_unet_config(Golden().unet_weights(), "")
    model = unfilled(narrow | {"model_channels": WIDTH, "context_dim": TEXT[1]}, torch.bfloat16)
    with torch.no_grad():
        for weight in model.model.diffusion_model.parameters():
            weight.normal_(std=0.02)
    sigmas = comfy.samplers.calculate_sigmas(model.get_model_object("model_sampling"), "normal", steps)
    text, start = torch.randn(1, *TEXT), torch.randn(frames, 4, cells, cells)
    if kind == BOOSTED:
        levels = levels_of(sigmas)
        ways = torch.randn(steps + 1, frames + 1, 4, cells, cells)
        path = Trajectory(levels, (0.0,) * len(levels), ways[:, :frames], text, ways[:, frames:])
        model = ApplyInversion.execute(model, path, 1.0, 1.0, cells**2, TEXT_IN_COND, HERE, first_level=0)[0]
    guider = comfy.samplers.CFGGuider(model)
    guider.set_conds([[text, {}]], [[text, {}]])
    guider.set_cfg(2.0)
    guider.sample(torch.zeros_like(start), start, comfy.samplers.sampler_object("euler"), sigmas[:2], disable_pbar=True)
    return peak_bytes()


def maps(frames: int, cells: int, steps: int) -> int:
    """Bytes of the maps of self-attention over frame and reference of a run, kept in 16 bits for 8 heads."""
    tokens = [(cells >> level) ** 2 for level, blocks in enumerate((5, 5, 5, 1)) for _ in range(blocks)]
    return steps * frames * 8 * sum(2 * count**2 for count in tokens) * 2


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="run.py bench inversion_memory", description=__doc__)
    parser.add_argument("--frames", type=int, default=16)
    parser.add_argument("--size", type=int, default=512, help="pixels a side")
    parser.add_argument("--steps", type=int, default=50, help="of the trajectory")
    parser.add_argument("--one", choices=(PLAIN, BOOSTED), help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if find() is None:
        raise SystemExit("bench inversion_memory needs ComfyUI, which was not found; COMFYUI_PATH names its folder.")
    if options.one:
        print(json.dumps(peak(options.one, options.frames, options.size // 8, options.steps)))
        return 0
    plain, boosted = (_in_a_process(kind, options) for kind in (PLAIN, BOOSTED))
    passed, kept = boosted - plain < LIMIT, maps(options.frames, options.size // 8, options.steps)
    print(
        f"{'pass' if passed else 'FAIL'}: {options.size} px, {options.frames} frames, {options.steps} steps: "
        f"{(boosted - plain) / 2**20:.0f} MiB beyond the plain run of {plain / 2**20:.0f} MiB (weights and Python included), "
        f"at most {LIMIT >> 20} MiB; the maps themselves would be {kept / 2**40:.2f} TiB"
    )
    print(f"{int(passed)} passed, {int(not passed)} failed")
    return int(not passed)


def _in_a_process(kind: str, options: argparse.Namespace) -> int:
    sizes = [f"--{name}={getattr(options, name)}" for name in ("frames", "size", "steps")]
    run = str(Path(__file__).parent.parent / "run.py")
    command = [sys.executable, run, "bench", "inversion_memory", "--one", kind, *sizes]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()[-1])
