"""`python run.py bench compose_flags [--only TEXT]`: the real server under each of the host's launch flags, and the demo's graph on it.

What must be true: the picture is that of the server without the flag, to the precision that the flag leaves. The graph is the shipped
still on narrow random weights, its face held still. Rows of flags that need a GPU say so where there is none.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from ..host import installation, workflow
from ..host.server import Server
from ..testing import models
from ..testing.servers import TEMPLATE, lean, stock
from .compose import Row, tell

EXACT, HALF, EIGHT = 1 / 255, 0.06, 0.25  # of the largest value: a rounding of the picture; 2e-2 of a call over the steps; 8 bits
PLACES = ("--lowvram", "--novram", "--cpu")  # of the networks; on a machine without a GPU the host knows --cpu alone
FLAGS = {
    **dict.fromkeys(PLACES, EXACT),
    "--force-fp16": HALF,
    "--bf16-unet": HALF,
    "--fp32-unet": HALF,
    "--fp8_e4m3fn-unet": EIGHT,
    "--use-split-cross-attention": EXACT,
    "--use-quad-cross-attention": EXACT,
    "--use-pytorch-cross-attention": EXACT,
}
STEPS = 2


def picture(comfy: Path, folder: Path, *flags: str) -> np.ndarray:
    """(H, W, 3) 0..1 of the demo's graph on a server with these flags."""
    with Server(comfy, folder, *flags, patience=900) as server:
        graph = workflow.to_api(workflow.read(TEMPLATE), server.object_info())
        models.use_synthetic(graph)
        for node in lean(graph).values():
            node["inputs"].update({"steps": STEPS} if "steps" in node["inputs"] else {})
        (file,) = server.run(graph)[workflow.node_id(graph, "SaveImage")]["images"]
        return np.asarray(Image.open(server.path(file))) / 255.0


def rows(only: str = "") -> Iterator[Row]:
    """The rows whose flag contains `only`, each a server of its own."""
    comfy, folder = installation.find(), Path(tempfile.mkdtemp())
    stock(folder)
    plain = picture(comfy, folder)
    for flag, tolerance in FLAGS.items():
        names = flag, "draws what the server without it draws"
        if only not in flag:
            continue
        if flag in PLACES[:2] and not torch.cuda.is_available():
            yield Row(*names, None, "no GPU on this machine, where the host runs with --cpu alone")
            continue
        try:
            seen = picture(comfy, folder, flag)
        except (RuntimeError, ValueError, KeyError) as error:
            yield Row(*names, float("inf"), f"{type(error).__name__}: {str(error)[-300:]}")
            continue
        yield Row(*names, float(np.abs(seen - plain).mean() / plain.max()), tolerance=tolerance)


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="run.py bench compose_flags", description=__doc__)
    parser.add_argument("--only", default="", help="flags that contain this")
    options = parser.parse_args(argv)
    if installation.find() is None:
        raise SystemExit("bench compose_flags needs ComfyUI, which was not found; COMFYUI_PATH names its folder.")
    return tell(rows(options.only))
