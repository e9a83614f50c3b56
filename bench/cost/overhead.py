"""What the pack adds to a step of the UNet: arithmetic, counted on
the full-size UNet without weights, and time.

python run.py bench overhead [--size 512 256] [--only v2] [--rounds 3]

Arithmetic is counted on torch's meta device, which computes nothing. `least` is what the
mathematics of the module requires if nothing is computed twice: the formula of the function
`least`, with the widths of the official file. What is projected once per sampling run is listed
separately. With --rounds the same UNet also runs with random weights, bare and patched in turn, and
the median ratio of process time is printed with its spread.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from types import SimpleNamespace

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from ...sk_attention.attention import STKReferenceModule
from ...sk_attention.drive import Drive, DrivePatch
from ...sk_attention.fuse import fuse
from ...sk_attention.published_files import REFERENCE, find_part
from ...sk_attention.reference import Reference, ReferencePatch
from ...sk_attention.versions import VERSIONS
from ...unet.clip.frames import COND, UNCOND, rows_of
from ...unet.feature_cache import TargetDevice
from ...unet.hosts.diffusers_hooks import bound
from ...unet.patches import DOWN, UP, PatchSet, WeightedPatch
from ..options import bench_parser
from ..verdict import row, verdict

WIDTHS = dict(zip((*DOWN, "mid", *UP), (320, 640, 1280, 1280, 1280, 1280, 1280, 1280, 640)))
# Side of the latent divided by that of the feature map.
CELLS = dict(zip((*DOWN, "mid", *UP), (2, 4, 8, 8, 8, 8, 4, 2, 1)))
DRIVEN = {"v1": DOWN[:3], "v2": UP}  # the other versions drive all boundaries but the middle
TEXT, ROWS, TOLERANCE = (77, 768), 2, 0.002
# Largest ratio of time to the bare UNet's at 512 px and above. It allows more than the arithmetic, for memory
# traffic and small kernels.
TIME_LIMITS = {"v1": 1.25, "v5b": 1.32, "v5c": 1.32}
TIME_LIMIT = 1.20


def sd15(device: str) -> nn.Module:
    """Return the full-size UNet of SD1.5 with random weights, or without weights on the meta device."""
    from diffusers import UNet2DConditionModel

    with torch.device(device):
        net = UNet2DConditionModel(
            sample_size=64,
            block_out_channels=(320, 640, 1280, 1280),
            cross_attention_dim=TEXT[1],
            attention_head_dim=8,
        )
    return net.eval().requires_grad_(False)


def patches_of(version: str, cells: int, device: str, frames: int = 1) -> list[WeightedPatch]:
    """Return reference and drive of an official version at full size.

    cells: side of the latent in latent pixels; frames: number of latents.
    """
    part = find_part(REFERENCE, version)
    with torch.device(device):
        adapter = fuse(part.build(part.published).eval().requires_grad_(False))
        shape = {
            boundary: (WIDTHS[boundary], cells // CELLS[boundary], cells // CELLS[boundary])
            for boundary in WIDTHS
        }
        features = {boundary: torch.randn(2, *shape[boundary]) for boundary in adapter.sites}
        driven = DRIVEN.get(version, (*DOWN, *UP))
        drive = Drive(
            *({boundary: torch.randn(rows, *shape[boundary]) for boundary in driven} for rows in (frames, 1)),
            (version,),
        )
    reference = Reference(features, (cells, cells), SimpleNamespace(module=adapter))
    return [WeightedPatch(DrivePatch(drive)), WeightedPatch(ReferencePatch(reference))]


def least(version: str, cells: int) -> int:
    """Return the FLOPs that reference attention needs per batch item.

    At C channels and n x n latent pixels, in multiplications per latent pixel: q, k, v of both passes 6 C^2,
    the row pass's output C^2, the convolution 9 C^2 with the column pass's output fused into it; scores and
    sums over 2 n keys in both passes 8 n C. v5b and v5c have a second convolution.
    """
    part = find_part(REFERENCE, version)
    with torch.device("meta"):
        sites = part.build(part.published).sites
    flops = 0
    for boundary, module in sites.items():
        width, side = WIDTHS[boundary], cells // CELLS[boundary]
        convolutions = 2 if isinstance(module, STKReferenceModule) else 1
        flops += 2 * side**2 * ((6 + 1 + 9 * convolutions) * width**2 + 8 * side * width)
    return flops


class Step:
    """One UNet call with `rows` latents, by default one frame with cond and uncond."""

    def __init__(self, net: nn.Module, cells: int, device: str, rows: int = ROWS):
        self.net = net
        self.x = torch.randn(rows, 4, cells, cells, device=device)
        self.text = torch.randn(rows, *TEXT, device=device)

    @torch.no_grad()
    def __call__(self) -> Tensor:
        return self.net(self.x, 481, encoder_hidden_states=self.text).sample


def counted(step: Callable[[], object]) -> int:
    """Return the FLOPs of a call."""
    with FlopCounterMode(display=False) as counter:
        step()
    return counter.get_total_flops()


OPTIONS = {"cond_or_uncond": [UNCOND, COND]}


def arithmetic(step: Step, patches: list[WeightedPatch]) -> tuple[int, int]:
    """Return the FLOPs of a patched call, and those that only the first call of a run has."""
    with bound(step.net, patches, OPTIONS):
        first, later = counted(step), counted(step)
    return later, first - later


def seconds(step: Step) -> float:
    """Return the seconds of a call: process time; on a GPU up to the end of its work."""
    start = time.process_time()
    step()
    if step.x.is_cuda:
        torch.cuda.synchronize()
    return time.process_time() - start


def ratios(step: Step, patches: list[WeightedPatch], rounds: int) -> list[float]:
    """Return the ratios of process time of patched to bare calls, measured in turn."""
    result = []
    for _ in range(rounds):
        bare = seconds(step)
        with bound(step.net, patches, OPTIONS):
            target = TargetDevice(step.x.device, step.x.dtype)
            # What is computed once per run.
            PatchSet(patches).prepare(rows_of(OPTIONS, len(step.x)), target, OPTIONS)
            result.append(seconds(step) / bare)
    return result


def main(argv: list[str]) -> int:
    parser = bench_parser("overhead", __doc__)
    parser.add_argument("--size", type=int, nargs="+", default=[512], help="pixels per side")
    parser.add_argument("--only", choices=VERSIONS, help="one version alone")
    parser.add_argument("--rounds", type=int, default=0, help="pairs of calls whose time is compared")
    options = parser.parse_args(argv)
    chosen = [options.only] if options.only else list(VERSIONS)
    rows = []
    for size in options.size:
        rows += _counted(chosen, size)
        rows += _timed(chosen, size // 8, options.rounds) if options.rounds else []
    return verdict(rows)


def _counted(chosen: list[str], size: int) -> list[bool]:
    """Print what each version adds to the arithmetic of a call. Returns for each whether it may."""
    cells, rows = size // 8, []
    step = Step(sd15("meta"), cells, "meta")
    bare = counted(step)
    print(f"one UNet call of {ROWS} rows at {size} px: {bare / 1e9:,.0f} GFLOP bare")
    for version in chosen:
        flops, once = arithmetic(step, patches_of(version, cells, "meta"))
        share, bound_share = flops / bare - 1, ROWS * least(version, cells) / bare
        said = f"{version}: +{share:.2%} of a bare call, least +{bound_share:.2%}; "
        said += f"once a run {once / 1e9:,.0f} GFLOP"
        rows.append(row(share <= bound_share + TOLERANCE, said))
    return rows


def _timed(chosen: list[str], cells: int, rounds: int) -> list[bool]:
    """Print what each version adds to the time of a call. Returns for each whether it may."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    step, rows = Step(sd15(device), cells, device), []
    for version in chosen:
        found = sorted(ratios(step, patches_of(version, cells, device), rounds))
        middle, limit = statistics.median(found), TIME_LIMITS.get(version, TIME_LIMIT)
        said = f"{version}: {middle:.2f} times the bare call's process time "
        said += f"({found[0]:.2f} to {found[-1]:.2f} in {rounds} pairs), at most {limit:.2f}"
        rows.append(row(middle <= limit, said))
    return rows
