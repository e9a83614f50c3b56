"""A graph of the Portrait Video Sampler that a real server runs in seconds, and its random weights."""

from __future__ import annotations

from pathlib import Path

from safetensors.torch import save_file

from ..unet.networks.animatediff import AnimateDiff
from .stand_ins import checkpoint, shapes

MOTION = "synthetic_animatediff.safetensors"
SAMPLER = "video"  # id of the sampler's node
FRAMES, STEPS = 5, 4
WINDOW, OVERLAP = 4, 2


def write_models(folder: Path) -> Path:
    """Write an SD1.5 checkpoint and an AnimateDiff file into a server's model folder; return the folder."""
    checkpoint.checkpoint(folder)
    path = folder / "sk_portrait" / MOTION
    path.parent.mkdir(parents=True, exist_ok=True)
    widths = (shapes.WIDTH,) * 4  # channels of the synthetic checkpoint's levels
    save_file({key: value.half() for key, value in AnimateDiff(widths, widths).state_dict().items()}, path)
    return folder


def graph(
    seed: int, prefix: str = "video", frames: int = FRAMES, steps: int = STEPS, sampler: str = SAMPLER
) -> dict:
    """Return the graph, in API format, of two stages over an empty clip of 64 px. sampler: id of the node."""
    nodes = {
        "model": ("CheckpointLoaderSimple", {"ckpt_name": checkpoint.CHECKPOINT}),
        "positive": ("CLIPTextEncode", {"clip": ["model", 1], "text": "portrait"}),
        "negative": ("CLIPTextEncode", {"clip": ["model", 1], "text": ""}),
        "motion": ("SKPortraitLoadMotion", {"file": MOTION}),
        "latent": ("EmptyLatentImage", {"width": 64, "height": 64, "batch_size": frames}),
        "noise": ("RandomNoise", {"noise_seed": seed}),
        "guider": (
            "CFGGuider",
            {"model": ["model", 0], "positive": ["positive", 0], "negative": ["negative", 0], "cfg": 2.0},
        ),
        "sampler": ("KSamplerSelect", {"sampler_name": "euler"}),
        "sigmas": (
            "BasicScheduler",
            {"model": ["model", 0], "scheduler": "normal", "steps": steps, "denoise": 1.0},
        ),
        sampler: (
            "SKPortraitTwoStageSampler",
            {
                "noise": ["noise", 0],
                "guider": ["guider", 0],
                "sampler": ["sampler", 0],
                "sigmas": ["sigmas", 0],
                "latent_image": ["latent", 0],
                "motion": ["motion", 0],
                "stage1_steps": steps,
                "window_length": WINDOW,
                "overlap": OVERLAP,
                "method": "paper",
            },
        ),
        "save": ("SaveLatent", {"samples": [sampler, 0], "filename_prefix": prefix}),
    }
    return {name: {"class_type": kind, "inputs": inputs} for name, (kind, inputs) in nodes.items()}
