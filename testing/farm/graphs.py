"""Graphs of tiny clips for the farm, in API format."""

from __future__ import annotations

import signal
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
MOTIONS = {"v2": "animatediff", "v5": "v5"}
MOTION_FILE = "tiny_motion.safetensors"


def base(folder: Path) -> Path:
    """Create a base directory of ComfyUI that contains the tiny nodes."""
    pack = folder / "custom_nodes" / "tiny_nodes.py"
    pack.parent.mkdir(parents=True, exist_ok=True)
    code = Path(__file__).with_name("tiny_nodes.py").read_text(encoding="utf-8")
    pack.write_text(code.replace("@ROOT@", ROOT.as_posix()), encoding="utf-8")
    model(folder, b"the same on all machines")
    return folder


def model(folder: Path, content: bytes) -> None:
    """Write `content` to the motion's file in the base directory."""
    file = folder / "models" / "sk_portrait" / MOTION_FILE
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)


def clip(
    kind: str,
    frames: int,
    steps: int = 1,
    sampler: str = "euler",
    slow: float = 0.0,
    mark: str = "",
    film: bool = False,
    cells: int = 8,
) -> dict:
    """Return the graph of a clip, sampled in v2's two stages or v5's key-frame
    tree, and saved as latents or (film) as a film.

    slow, mark: see tiny_nodes.
    """
    wires = {
        "noise": "noise",
        "guider": "guider",
        "sampler": "sampler",
        "latent_image": "latent",
        "motion": "motion",
    }
    options = {"stage1_steps": 10, "window_length": 12, "overlap": 4, "method": "paper"}
    nodes = {
        "noise": ("RandomNoise", {"noise_seed": 3}),
        "drive": ("TinyDrive", {"frames": frames, "cells": cells}),
        "guider": ("TinyGuider", {"drive": ["drive", 0], "steps": steps, "slow": slow, "mark": mark}),
        "sampler": ("KSamplerSelect", {"sampler_name": sampler}),
        "latent": ("EmptyLatentImage", {"width": 8 * cells, "height": 8 * cells, "batch_size": frames}),
        "motion": ("TinyMotion", {"kind": MOTIONS[kind], "file": MOTION_FILE}),
        "clip": (
            "SKPortraitTwoStageSampler",
            {name: [node, 0] for name, node in wires.items()} | {"sigmas": ["guider", 1]} | options,
        ),
    }
    if film:
        nodes["vae"] = ("TinyVAE", {})
        nodes["decode"] = ("VAEDecode", {"samples": ["clip", 0], "vae": ["vae", 0]})
        nodes["film"] = ("CreateVideo", {"images": ["decode", 0], "fps": 25.0})
        nodes["save"] = (
            "SaveVideo",
            {"video": ["film", 0], "filename_prefix": "film", "format": "auto", "codec": "auto"},
        )
    else:
        nodes["save"] = ("SaveLatent", {"samples": ["clip", 0], "filename_prefix": "farmed"})
    return {name: {"class_type": kind_, "inputs": inputs} for name, (kind_, inputs) in nodes.items()}


def heed_interrupts() -> None:
    """Accept interrupts in a process that is to be interrupted.

    Processes in the background of a shell, and their children, ignore Ctrl-C.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)
