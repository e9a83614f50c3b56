"""The shared server with what the portrait workflows need."""

from __future__ import annotations

import shutil
from itertools import islice
from pathlib import Path

import pytest
from PIL import Image

from sk_portrait.demo import clips, models, weights, workflow
from sk_portrait.face_tools import video

SMALL = {"size": 128, "length": 2, "steps": 2}


@pytest.fixture(scope="session")
def stocked(server):
    """The server, with a portrait, a driver and random weights in its folders."""
    weights.write_for(server.base / "models", workflow.models())
    inputs = server.base / "input"
    shutil.copy(clips.portrait(), inputs / "portrait.png")
    for name in ("driver", "clip", "pose"):  # a finished clip and skeletons: any pictures will do
        shutil.copy(clips.driver(), inputs / f"{name}.mp4")
    Image.fromarray(next(islice(video.frames(clips.driver()), 40, None))).save(inputs / "driver.png")
    return server


@pytest.fixture(scope="session")
def small_graph(stocked):
    """A shipped workflow in API format on random weights, at a size for tests."""
    info = stocked.object_info()

    def build(name: str, folder: Path = workflow.SAVED, **changes) -> dict:
        graph = workflow.to_api(workflow.read(name, folder), info)
        models.use_synthetic(graph)
        for node in graph.values():
            node["inputs"].update({widget: value for widget, value in (SMALL | changes).items() if widget in node["inputs"]})
        return graph

    return build
