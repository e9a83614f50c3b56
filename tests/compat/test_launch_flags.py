"""A server with each of ComfyUI's launch flags draws what a server without it draws, to the precision that the flag leaves.

The graph is the shipped still on tiny random weights, its face held still.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from sk_portrait.host import workflow
from sk_portrait.host.server import Server
from sk_portrait.testing import models, servers

pytestmark = pytest.mark.slow
# Of the largest value: a rounding of the picture; 2e-2 of a call over the steps; 8 bits.
EXACT, HALF, EIGHT = 1 / 255, 0.06, 0.25
# Places of the networks; on a machine without a GPU ComfyUI knows --cpu alone.
PLACES = ("--lowvram", "--novram", "--cpu")
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
        graph = workflow.to_api(workflow.read(servers.TEMPLATE), server.object_info())
        models.use_synthetic(graph)
        for node in servers.lean(graph).values():
            node["inputs"].update({"steps": STEPS} if "steps" in node["inputs"] else {})
        return servers.picture(server, graph) / 255.0


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    base = tmp_path_factory.mktemp("flags")
    servers.stock(base)
    return base


@pytest.fixture(scope="module")
def plain(comfy, folder) -> np.ndarray:
    return picture(comfy, folder)


@pytest.mark.parametrize("flag", FLAGS)
def test_the_picture_is_that_of_the_server_without(comfy, folder, plain, flag):
    if flag in PLACES[:2] and not torch.cuda.is_available():
        pytest.skip("no GPU on this machine, where ComfyUI runs with --cpu alone")
    assert np.abs(picture(comfy, folder, flag) - plain).mean() / plain.max() <= FLAGS[flag]
