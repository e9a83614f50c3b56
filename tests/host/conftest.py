"""The shared server with what the portrait workflows need."""

from __future__ import annotations

from pathlib import Path

import pytest

from sk_portrait.host import workflow
from sk_portrait.testing import models, servers

SMALL = {"size": 128, "length": 2, "steps": 2}


@pytest.fixture(scope="session")
def stocked(server):
    """The server, with a portrait, a driver and random weights in its folders."""
    servers.fill(server.base)
    return server


@pytest.fixture(scope="session")
def info(server) -> dict:
    """Every node class of the server, where it has what the templates need."""
    info = server.object_info()
    if "MediaPipeFaceLandmarker" not in info:
        pytest.skip("this ComfyUI has no face landmarker of its own (0.23 and later have)")
    return info


@pytest.fixture(scope="session")
def small_graph(stocked):
    """A shipped workflow in API format on random weights, at a size for tests."""
    info = stocked.object_info()

    def build(name: str, folder: Path = workflow.SAVED, **changes) -> dict:
        graph = workflow.to_api(workflow.read(name, folder), info)
        models.use_synthetic(graph)
        for node in graph.values():
            node["inputs"].update(
                {widget: value for widget, value in (SMALL | changes).items() if widget in node["inputs"]}
            )
        return graph

    return build
