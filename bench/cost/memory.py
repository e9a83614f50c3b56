"""Memory of the nodes that hold a clip, by its length: the peak at two lengths,
and the slope between them in bytes per frame.

python run.py bench memory [--frames 100 1000] [--only v2|v3|v5|"Crop Portrait"|...]

v2, v3 and v5 are the Portrait Video Sampler, with narrow weights in the real ComfyUI. Each run is a process
of its own, because the peak memory of a process never decreases. The bytes that a frame needs at least are
counted from the tensors. For the sampler: its drive features, its share of the key frames' features, and its
latents in the sampler. For the other nodes: their inputs and outputs (measured at half the lengths, because
whole pictures are larger).
"""

from __future__ import annotations

import argparse
import json

from ...testing.golden import Golden
from ...testing.golden_networks import animatediff_of, open_host, sk_motion_of
from ...testing.golden_sampling import GoldenNoise, guider_of
from ..options import bench_parser
from ..processes import answer_of, peak_memory
from ..verdict import row, verdict
from .memory_nodes import NODES

CELLS, STEPS = 16, 1  # side of the square latents; more steps do not increase the peak
LATENT = 4 * CELLS * CELLS * 4  # bytes of one frame's latent
# Latents per frame at once: noise, start, x, cond, uncond, denoised, fused, and ComfyUI's copies of them.
LATENTS = 24
DEARER = 1.1  # the largest allowed ratio of the measured to the counted bytes
MOTIONS = {
    "v2": lambda golden, host: [animatediff_of(golden, host)],
    "v3": lambda golden, host: [sk_motion_of(golden, "v3", host), animatediff_of(golden, host)],
    "v5": lambda golden, host: [sk_motion_of(golden, "v5", host)],
}


def peak(kind: str, frames: int) -> dict[str, float]:
    """Sample a clip of this many frames.

    Returns the peak in bytes, of the GPU if there is one, else of the process, and the bytes of the features.
    """
    import torch

    golden = Golden()
    host = open_host("comfy", golden)

    import comfy.samplers

    from ...nodes.hellomeme.networks import managed
    from ...nodes.hellomeme.two_stage import PAPER, TwoStageSampler
    from ...sk_attention.drive import DrivePatch
    from ...unet.hosts.comfy_hooks import bound

    guider = guider_of(golden, host, kind, frames, cfg=2.0)
    noise = torch.randn(1 + frames, 4, CELLS, CELLS, generator=torch.Generator().manual_seed(0))
    TwoStageSampler.execute(
        GoldenNoise(noise),
        guider,
        comfy.samplers.sampler_object("euler"),
        comfy.samplers.calculate_sigmas(
            guider.model_patcher.get_model_object("model_sampling"), "normal", STEPS
        ),
        {"samples": torch.zeros(frames, 4, CELLS, CELLS)},
        **{
            wire: managed(loaded) for wire, loaded in zip(("motion", "motion_2"), MOTIONS[kind](golden, host))
        },
        stage1_steps=STEPS,
        window_length=12,
        overlap=4,
        method=PAPER,
    )
    drive = next(w.patch.drive for w in bound(guider.model_patcher) if isinstance(w.patch, DrivePatch))
    features = sum(feature[0].nbytes for feature in drive.features.values())
    return {"peak": peak_bytes(), "features": features}


def peak_of_node(name: str, frames: int) -> dict[str, float]:
    """Return the peak of one of the other nodes, and the bytes of its inputs and outputs."""
    open_host("comfy", Golden())
    held = NODES[name](frames)
    return {"peak": peak_bytes(), "held": sum(tensor.nbytes for tensor in held)}


def peak_bytes() -> int:
    import torch

    return torch.cuda.max_memory_allocated() if torch.cuda.is_available() else peak_memory()


def main(argv: list[str]) -> int:
    parser = bench_parser("memory", __doc__)
    parser.add_argument("--frames", type=int, nargs=2, default=(100, 1000), help="the two lengths")
    parser.add_argument("--only", choices=(*MOTIONS, *NODES), help="one of them alone")
    parser.add_argument("--one", nargs=2, metavar=("KIND", "FRAMES"), help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.one:
        kind, frames = options.one
        print(json.dumps((peak if kind in MOTIONS else peak_of_node)(kind, int(frames))))
        return 0
    chosen = [options.only] if options.only else [*MOTIONS, *NODES]
    return verdict([(_sampler if kind in MOTIONS else _node)(kind, *options.frames) for kind in chosen])


def _sampler(kind: str, *lengths: int) -> bool:
    few, many = (answer_of("memory", "--one", kind, str(frames)) for frames in lengths)
    # For one key frame in eleven, features of the same size are kept.
    share = 1 + (0 if kind == "v2" else 1 / 11)
    counted = share * many["features"] + LATENTS * LATENT
    return _judged(kind, lengths, few, many, counted, "features and latents")


def _node(name: str, *lengths: int) -> bool:
    lengths = tuple(frames // 2 for frames in lengths)
    few, many = (answer_of("memory", "--one", name, str(frames)) for frames in lengths)
    counted = (many["held"] - few["held"]) / (lengths[1] - lengths[0])
    return _judged(name, lengths, few, many, counted, "inputs and outputs")


def _judged(name: str, lengths: tuple[int, ...], few: dict, many: dict, counted: float, what: str) -> bool:
    """Print a row. Returns whether a frame needs at most a tenth more than the counted bytes."""
    slope = (many["peak"] - few["peak"]) / (lengths[1] - lengths[0])
    peaks = (f"{peak['peak'] / 2**20:.0f} MiB at {frames}" for peak, frames in zip((few, many), lengths))
    said = f"{name}: {' frames, '.join(peaks)}: {slope:,.0f} bytes per frame; {what} are {counted:,.0f}"
    return row(slope <= DEARER * counted, said)
