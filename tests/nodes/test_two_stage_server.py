"""Cancel pressed in the front end, in each stage of the Two-Stage Sampler: over the real server's API."""

from __future__ import annotations

import threading

import pytest
from safetensors.torch import load_file, save_file

from sk_portrait.host.server import RunError
from sk_portrait.testing.stand_ins import checkpoint, shapes
from sk_portrait.unet.networks.animatediff import AnimateDiff

pytestmark = pytest.mark.comfy

MOTION = "synthetic_animatediff.safetensors"
FRAMES, STEPS = 5, 4  # of one window; more steps than a Cancel takes to arrive


@pytest.fixture(scope="module")
def models(server):
    """The server's model folder with an SD1.5 checkpoint and an AnimateDiff file, both random."""
    folder = server.base / "models"
    checkpoint.checkpoint(folder)
    path = folder / "sk_portrait" / MOTION
    path.parent.mkdir(parents=True, exist_ok=True)
    widths = (shapes.WIDTH,) * 4  # of the synthetic checkpoint's levels
    save_file({key: value.half() for key, value in AnimateDiff(widths, widths).state_dict().items()}, path)
    return folder


def graph(seed: int, prefix: str = "video") -> dict:
    """Two stages over an empty clip of 64 px; both results are saved."""
    nodes = {
        "model": ("CheckpointLoaderSimple", {"ckpt_name": checkpoint.CHECKPOINT}),
        "positive": ("CLIPTextEncode", {"clip": ["model", 1], "text": "portrait"}),
        "negative": ("CLIPTextEncode", {"clip": ["model", 1], "text": ""}),
        "motion": ("SKPortraitLoadMotion", {"file": MOTION}),
        "latent": ("EmptyLatentImage", {"width": 64, "height": 64, "batch_size": FRAMES}),
        "noise": ("RandomNoise", {"noise_seed": seed}),
        "guider": (
            "CFGGuider",
            {"model": ["model", 0], "positive": ["positive", 0], "negative": ["negative", 0], "cfg": 2.0},
        ),
        "sampler": ("KSamplerSelect", {"sampler_name": "euler"}),
        "sigmas": (
            "BasicScheduler",
            {"model": ["model", 0], "scheduler": "normal", "steps": STEPS, "denoise": 1.0},
        ),
        "video": (
            "SKPortraitTwoStageSampler",
            {
                "noise": ["noise", 0],
                "guider": ["guider", 0],
                "sampler": ["sampler", 0],
                "sigmas": ["sigmas", 0],
                "latent_image": ["latent", 0],
                "motion": ["motion", 0],
                "stage1_steps": STEPS,
                "window_length": 4,
                "overlap": 2,
                "method": "paper",
            },
        ),
        "save": ("SaveLatent", {"samples": ["video", 0], "filename_prefix": prefix}),
    }
    return {name: {"class_type": kind, "inputs": inputs} for name, (kind, inputs) in nodes.items()}


def video(server, outputs):
    return load_file(server.path(outputs["save"]["latents"][0]))["latent_tensor"]


def test_cancel_in_each_stage_stops_the_run_and_the_next_one_is_right(server, models):
    right = video(server, server.run(graph(1)))
    for stage, at in enumerate((1, STEPS + 1)):
        reached, seen = threading.Event(), []

        def cancel(node, value, maximum, at=at, seen=seen, reached=reached):
            if node == "video" and value >= at and not reached.is_set():
                reached.set()
                server.interrupt()
            if node == "video":
                seen.append(value)

        with pytest.raises(RunError, match="(?i)interrupt"):
            server.run(graph(10 + stage), cancel)
        assert reached.is_set() and max(seen) <= at + 1
    steps = []
    again = server.run(
        graph(1, "again"), lambda node, value, maximum: steps.append(value) if node == "video" else None
    )
    assert max(steps) == 2 * STEPS  # sampled again, not from ComfyUI's cache
    assert right.equal(video(server, again))
