"""Memory of Apply Inversion beyond a plain run: measured on the narrow UNet, and counted for 512 px, 16 frames, 50 steps.

python run.py bench inversion_memory [--frames N] [--cells N] [--steps N]

Every run is a process of its own, since a peak never falls; a run of fewer frames first shows what a frame of the batch costs, so that
what is left for IBA is known: the rows that it adds, and the latents of the trajectory.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

from .golden import Golden
from .memory import peak_bytes
from .parity import open_host

LIMIT = 2 << 30  # bytes beyond the plain run at 512 px, 16 frames, 50 steps
PLAIN, BOOSTED = "plain", "boosted"


def peak(kind: str, frames: int, cells: int, steps: int) -> int:
    """Bytes at the peak of a run with guidance: as it is, or with an inverted clip and a reference beside it."""
    import torch

    golden = Golden()
    host = open_host("comfy", golden)

    import comfy.samplers

    from ..companions.anchored_rows import HERE, TEXT_IN_COND
    from ..companions.trajectory import Trajectory, levels_of
    from ..nodes.anchored.apply_inversion import ApplyInversion

    sampling = host.patcher.get_model_object("model_sampling")
    sigmas = comfy.samplers.calculate_sigmas(sampling, "normal", steps)
    text, start = torch.randn(1, 77, 64), torch.randn(frames, 4, cells, cells)
    model = host.patcher
    if kind == BOOSTED:
        levels = levels_of(sigmas)
        ways = torch.randn(steps + 1, frames + 1, 4, cells, cells)
        path = Trajectory(levels, (0.0,) * len(levels), ways[:, :frames], text, ways[:, frames:])
        model = ApplyInversion.execute(model, path, 1.0, 1.0, 1 << 20, TEXT_IN_COND, HERE, first_level=0)[0]
    guider = comfy.samplers.CFGGuider(model)
    guider.set_conds([[text, {}]], [[text, {}]])
    guider.set_cfg(2.0)
    guider.sample(torch.zeros_like(start), start, comfy.samplers.sampler_object("euler"), sigmas[:2], disable_pbar=True)
    return peak_bytes()


def counted(frames: int, cells: int, steps: int) -> tuple[int, int]:
    """(bytes of a trajectory with its reference in float32, bytes of all maps of self-attention over frame and reference in float16)."""
    trajectory = (steps + 1) * (frames + 1) * 4 * cells**2 * 4
    tokens = [(cells >> level) ** 2 for level, blocks in enumerate((5, 5, 5, 1)) for _ in range(blocks)]
    return trajectory, steps * frames * 8 * sum(2 * count**2 for count in tokens) * 2


def hosts_estimate(rows: int, cells: int) -> float:
    """Bytes that the host sets aside for a UNet call of SD1.5 in float16 (BaseModel.memory_required, flash attention)."""
    return rows * cells**2 * 2 * 0.01 * 2**20


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="run.py bench inversion_memory", description=__doc__)
    parser.add_argument("--frames", type=int, default=16)
    parser.add_argument("--cells", type=int, default=32, help="of the square latent; 64 is 512 px")
    parser.add_argument("--steps", type=int, default=50, help="levels of the trajectory; one step is computed")
    parser.add_argument("--one", nargs=2, metavar=("KIND", "FRAMES"), help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.one:
        print(json.dumps(peak(options.one[0], int(options.one[1]), options.cells, options.steps)))
        return 0
    runs = ((PLAIN, 4), (PLAIN, options.frames), (BOOSTED, options.frames))
    few, plain, boosted = (_in_a_process(kind, frames, options) for kind, frames in runs)
    a_row = (plain - few) / 2 / (options.frames - 4)
    added = 3 * (options.frames + 1) - 2 * options.frames
    trajectory, _ = counted(options.frames, options.cells, options.steps)
    print(
        f"narrow UNet, {options.frames} frames of {options.cells}x{options.cells} cells: {(boosted - plain) / 2**20:.0f} MiB beyond the "
        f"plain run of {plain / 2**20:.0f} MiB; {added} more rows at {a_row / 2**20:.1f} MiB and the {trajectory / 2**20:.1f} MiB "
        f"of trajectory are {(added * a_row + trajectory) / 2**20:.0f} MiB"
    )
    trajectory, maps = counted(16, 64, 50)
    beyond = hosts_estimate(51, 64) - hosts_estimate(32, 64) + trajectory
    passed = beyond < LIMIT
    print(
        f"{'pass' if passed else 'FAIL'}: 512 px, 16 frames, 50 steps, counted: 51 rows instead of 32 and {trajectory / 2**20:.1f} MiB of "
        f"trajectory, {beyond / 2**20:.0f} MiB by the host's estimate of a call, under {LIMIT >> 20} MiB; the maps themselves would be "
        f"{maps / 2**40:.2f} TiB"
    )
    print(f"{int(passed)} passed, {int(not passed)} failed")
    return int(not passed)


def _in_a_process(kind: str, frames: int, options: argparse.Namespace) -> int:
    sizes = ["--cells", str(options.cells), "--steps", str(options.steps)]
    run = str(Path(__file__).parent.parent / "run.py")
    command = [sys.executable, run, "bench", "inversion_memory", "--one", kind, str(frames), *sizes]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()[-1])
