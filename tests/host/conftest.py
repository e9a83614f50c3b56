"""The shared server with everything that the shipped workflows name: inputs, and random weights under the published names."""

from __future__ import annotations

import shutil
from itertools import islice

import pytest
from PIL import Image

from sk_portrait.demo import clips, weights, workflow
from sk_portrait.face_tools import video

# The files that the portrait workflows name -> the random weights that stand in for them.
STAND_INS = {
    "checkpoints/v1-5-pruned-emaonly-fp16.safetensors": weights.CHECKPOINT,
    "clip_vision/CLIP-ViT-H-14-laion2B-s32B-b79K.safetensors": weights.CLIP_VISION,
    "sk_portrait/hm2_reference.safetensors": weights.ADAPTER,
    "sk_portrait/hm2_control.safetensors": weights.DRIVE_ENCODER,
}
SMALL = {"size": 128, "length": 3, "steps": 2}


@pytest.fixture(scope="session")
def stocked(server):
    """The server, with a portrait, a driver and weights (under the published names) in its folders."""
    folder = server.base / "models"
    weights.write_all(folder)
    for published, stand_in in STAND_INS.items():
        path = folder / published
        if not path.exists():
            shutil.copy(path.with_name(stand_in), path)
    inputs = server.base / "input"
    shutil.copy(clips.portrait(), inputs / "portrait.png")
    shutil.copy(clips.driver(), inputs / "driver.mp4")
    Image.fromarray(next(islice(video.frames(clips.driver()), 40, None))).save(inputs / "driver.png")
    return server


@pytest.fixture(scope="session")
def small_graph(stocked):
    """A shipped workflow in API format, at a size for tests."""
    info = stocked.object_info()

    def build(name: str, **changes) -> dict:
        graph = workflow.to_api(workflow.read(name), info)
        for node in graph.values():
            node["inputs"].update({widget: value for widget, value in (SMALL | changes).items() if widget in node["inputs"]})
        return graph

    return build
