"""The pack beside everything else: the rows of `run.py bench compose` that tell most, on the host of this machine."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.comfy

ALONE, WINDOWS = "a batch is every frame alone", "our windows are the whole batch"
TREE, APART = "a level of key frames is these frames", "cond and uncond apart are together"
HOST, ORDER = "the host's windows are the whole batch", "cond and uncond in the other order"
SYSTEMS = ("W+, a lambda a frame", "Anchor Frames", "Apply Inversion", "X-Dyna")
ROWS = [
    *((system, must) for system in SYSTEMS for must in (ALONE, WINDOWS, HOST, APART, ORDER)),
    ("X-Dyna with S-Face by a face track, and LoRA", ALONE),
    ("W+ with Anchor Frames", "both act, and exactly"),
    ("AnimateDiff with Anchor Frames", "both act, and exactly"),
    ("Apply Inversion with ControlNet", "both act, and exactly"),
    ("Anchor Frames with Apply Inversion", "is refused with a sentence"),
    ("X-Dyna twice", "is refused with a sentence"),
    ("Portrait Strengths by station, step and frame", WINDOWS),
    ("Portrait Strengths by station, step and frame", TREE),
    ("prompts fewer than frames", WINDOWS),
    ("prompt a frame", TREE),
    ("inpainting, a mask a frame", TREE),
    ("ControlNet, a picture a frame", WINDOWS),
    ("T2I adapter, a picture a frame", WINDOWS),
    ("ControlNet, a picture a frame", HOST),
    ("hook LoRA", APART),
    ("FreeU", ALONE),
    ("SAG", "its extra pass is on uncond's side"),
    ("Dual Model Guider, twice the same MODEL", "is CFG Guider"),
    ("Dual CFG Guider nested, both prompts the same", "is CFG Guider"),
    ("Perp-Neg Guider, three prompts", "are each prompt alone on its side"),
    ("Perp-Neg, the deprecated node", "is refused with a sentence"),
    ("zero terminal SNR, v-prediction behind Apply with a span", "is the same before it"),
    ("Conditioning (Set Area), the right half", "is that half with a drive cut by hand"),
    ("two areas", "together are apart"),
    ("an area, and a mask on Apply that is white there", "is the area without a mask"),
    ("a second pass at twice the side", "is with features resized by hand"),
    ("deep shrink", ALONE),
    ("tiled sampling", "is refused with a sentence"),
    ("EasyCache", "a window is itself alone"),
    ("a still drive", "is that drive for every picture"),
    ("two portraits under masks", "in either order, bit for bit"),
    ("UNet with weights in fp8", "is one with the same weights in fp32"),
    ("UNet in bf16", "is the UNet in fp32 to 2e-2"),
    ("GGUF UNet of ComfyUI-GGUF, and LoRA", "is one with the same weights in fp32"),
    ("IPAdapter, an embedding a frame", WINDOWS),
    ("IPAdapter, a mask a frame", TREE),
    ("Advanced-ControlNet, a picture a frame", WINDOWS),
    ("AnimateDiff-Evolved's looped contexts", "are the whole batch"),
]


@pytest.fixture(scope="module")
def lab(comfy):
    from sk_portrait.bench.compose_lab import Lab

    return Lab()


@pytest.mark.parametrize("names", ROWS, ids=": ".join)
def test_a_row_of_the_matrix(lab, names):
    from sk_portrait.bench.compose import judge, table

    row = judge(names, table()[names], lab)
    if row.error is None:
        pytest.skip(row.why)
    assert not row.failed, row


def test_a_truth_that_differs_is_seen(lab):
    """What the rows measure with: another drive, and a row that breaks in the host."""
    from sk_portrait.bench.compose import Case, judge

    assert not judge(("drive", "is none"), Case(lambda lab: 0.0), lab).failed
    assert judge(("drive", "is none"), Case(lambda lab: float("nan")), lab).failed
    assert judge(("drive", "is none"), Case(lambda lab: lab.nothing), lab).failed


@pytest.mark.parametrize("flag", ["fp8_e4m3fn_unet", "fp8_e5m2_unet"])
def test_adapters_are_never_kept_in_8_bits(comfy, flag, monkeypatch):
    import comfy.model_management
    from comfy.cli_args import args

    from sk_portrait.nodes.weights import kept_in

    monkeypatch.setattr(args, flag, True)
    assert comfy.model_management.unet_dtype().itemsize == 1
    assert kept_in(10**6).itemsize > 1
