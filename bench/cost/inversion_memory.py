"""Memory of Redraw Clip from Noise in addition to that of a plain run.

The full-size UNet of SD1.5 with guidance, by default 16 frames of 512 px and 50 steps.

python run.py bench inversion_memory [--frames N] [--size PIXELS] [--steps N] [--measure]

Every tensor of one UNet call in 16 bits is counted on torch's meta device, where nothing is computed. The
peak is the size of all tensors that exist at once, with an attention that stores no maps, as on a GPU. Every
step has the same peak; the trajectory of all steps is added. --measure also computes one step, plain and
boosted, in one process each, and compares their peaks: minutes on two cores, 8 GB.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable

from ...host.installation import enter, find
from ...testing.golden import Golden
from ..options import bench_parser
from ..processes import answer_of
from ..verdict import row, verdict
from .memory import peak_bytes

LIMIT = 2 << 30  # bytes in addition to the plain run
PLAIN, BOOSTED = "plain", "boosted"
WIDTH, TEXT = 320, (77, 768)  # channels of SD1.5's first level; tokens and width of its text


class Run:
    """One run with guidance: plain, or with an inverted clip and its reference.

    Needs ComfyUI in this process.
    """

    def __init__(self, kind: str, frames: int, cells: int, steps: int, dtype):
        import comfy.model_detection
        import torch

        from ...nodes.freeanimate.apply_inversion import ApplyInversion
        from ...systems.freeanimate.reference_items import HERE, TEXT_IN_COND
        from ...systems.freeanimate.trajectory import Trajectory, levels_of
        from ...testing.tiny_comfy import unfilled

        narrow = comfy.model_detection.detect_unet_config(Golden().unet_weights(), "")
        self.model = unfilled(narrow | {"model_channels": WIDTH, "context_dim": TEXT[1]}, dtype)
        self.frames, self.cells, self.dtype = frames, cells, dtype
        self.sigmas = torch.linspace(14.6, 0, steps + 1, device="cpu")
        self.text, self.trajectory = torch.zeros(1, *TEXT, device="cpu"), 0
        if kind == BOOSTED:
            levels = levels_of(self.sigmas)
            ways = torch.zeros(steps + 1, frames + 1, 4, cells, cells, device="cpu")
            path = Trajectory(levels, (0.0,) * len(levels), ways[:, :frames], self.text, ways[:, frames:])
            self.model = ApplyInversion.execute(
                self.model, path, 1.0, 1.0, cells**2, TEXT_IN_COND, HERE, first_level=0
            )[0]
            self.trajectory = ways.nbytes

    def counted(self) -> int:
        """Return the peak bytes of all tensors of one UNet call, plus those of the trajectory."""
        import torch
        import torch.nn.functional as functional

        from ...unet.clip.frames import COND, UNCOND
        from .live_tensors import Alive

        rows = 2 * self.frames
        options = self.model.model_options["transformer_options"] | {
            "cond_or_uncond": [UNCOND, COND], "sigmas": self.sigmas[:1], "wrappers": self.model.wrappers
        }  # fmt: skip
        x = torch.zeros(rows, 4, self.cells, self.cells, dtype=self.dtype, device="meta")
        text = torch.zeros(rows, *TEXT, dtype=self.dtype, device="meta")
        attention = functional.scaled_dot_product_attention
        functional.scaled_dot_product_attention = lambda q, k, v, **others: torch.empty_like(q)
        try:
            with torch.no_grad(), Alive() as alive:
                self.model.model.diffusion_model(
                    x, torch.zeros(rows, device="meta"), context=text, transformer_options=options
                )
        finally:
            functional.scaled_dot_product_attention = attention
        return alive.peak + self.trajectory

    def measured(self) -> int:
        """Return this process's peak bytes in one step of ComfyUI's sampler."""
        import comfy.samplers
        import torch

        with torch.no_grad():
            for weight in self.model.model.diffusion_model.parameters():
                weight.normal_(std=0.02)
        start = torch.randn(self.frames, 4, self.cells, self.cells)
        guider = comfy.samplers.CFGGuider(self.model)
        guider.set_conds([[self.text, {}]], [[self.text, {}]])
        guider.set_cfg(2.0)
        euler = comfy.samplers.sampler_object("euler")
        guider.sample(torch.zeros_like(start), start, euler, self.sigmas[:2], disable_pbar=True)
        return peak_bytes()


def maps(frames: int, cells: int, steps: int) -> int:
    """Return the bytes that a run's self-attention maps over frame and reference: 16 bits, 8 heads."""
    tokens = [(cells >> level) ** 2 for level, blocks in enumerate((5, 5, 5, 1)) for _ in range(blocks)]
    return steps * frames * 8 * sum(2 * count**2 for count in tokens) * 2


def in_host() -> None:
    """Import ComfyUI with the attention that it uses on a GPU."""
    enter(find(), tempfile.mkdtemp())
    from comfy.cli_args import args

    args.use_pytorch_cross_attention = True


def main(argv: list[str]) -> int:
    parser = bench_parser("inversion_memory", __doc__)
    parser.add_argument("--frames", type=int, default=16)
    parser.add_argument("--size", type=int, default=512, help="pixels per side")
    parser.add_argument("--steps", type=int, default=50, help="of the trajectory")
    parser.add_argument("--measure", action="store_true", help="also compute a step")
    parser.add_argument("--one", choices=(PLAIN, BOOSTED), help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if find() is None:
        raise SystemExit(
            "bench inversion_memory needs ComfyUI, which was not found; COMFYUI_PATH names its folder."
        )
    sizes = options.frames, options.size // 8, options.steps
    in_host()
    import torch

    if options.one:
        print(json.dumps(Run(options.one, *sizes, torch.bfloat16).measured()))
        return 0

    def counted(kind: str) -> int:
        with torch.device("meta"):
            run = Run(kind, *sizes, torch.float16)
        return run.counted()

    print(
        f"{options.size} px, {options.frames} frames, {options.steps} steps; kept maps would be {maps(*sizes) / 2**40:.2f} TiB"
    )
    ways: dict[str, Callable[[str], int]] = {"counted": counted}
    if options.measure:
        ways["measured, with weights and Python"] = lambda kind: _in_a_process(kind, options)
    return verdict([_row(way, peak(PLAIN), peak(BOOSTED)) for way, peak in ways.items()])


def _row(way: str, plain: int, boosted: int) -> bool:
    beyond = f"{(boosted - plain) / 2**20:,.0f} MiB beyond the plain run of {plain / 2**20:,.0f} MiB"
    return row(boosted - plain < LIMIT, f"{way}: {beyond}, at most {LIMIT >> 20:,} MiB")


def _in_a_process(kind: str, options: argparse.Namespace) -> int:
    sizes = [f"--{name}={getattr(options, name)}" for name in ("frames", "size", "steps")]
    return answer_of("inversion_memory", "--one", kind, *sizes)
