"""The shipped video workflows run on the real server, from a real face video to a saved one, on small random weights."""

from __future__ import annotations

import shutil

import pytest

from sk_portrait.demo import clips, models, weights, workflow
from sk_portrait.face_tools.video import frames as read_frames

pytestmark = pytest.mark.comfy

FRAMES, SIZE = 5, 128
@pytest.fixture(scope="module")
def folder(server):
    """The server's own folder, with a portrait, a driving video and random weights under the published names."""
    weights.write_for(server.base / "models", workflow.models())
    (server.base / "input").mkdir(exist_ok=True)
    shutil.copy(clips.portrait(), server.base / "input" / "portrait.png")
    shutil.copy(clips.driver(), server.base / "input" / "driver.mp4")
    return server.base


def graph_of(server, name: str) -> dict:
    """A shipped workflow at a size for tests."""
    graph = workflow.to_api(workflow.read(name), server.object_info())
    smaller = {"size": SIZE, "length": FRAMES, "steps": 1, "window_length": 4, "overlap": 2}
    models.use_synthetic(graph)
    for node in graph.values():
        node["inputs"].update({widget: value for widget, value in smaller.items() if widget in node["inputs"]})
    return graph


@pytest.mark.parametrize(("name", "videos"), [("portrait_video_two_stage", 2), ("portrait_video_keyframes", 1)])
def test_a_shipped_workflow_saves_its_video(server, folder, name, videos):
    graph = graph_of(server, name)
    outputs = server.run(graph)
    saved = [outputs[key]["images"][0] for key, node in graph.items() if node["class_type"] == "SaveVideo"]
    assert len(saved) == videos
    for file in saved:
        pictures = list(read_frames(server.path(file)))
        assert len(pictures) == FRAMES and pictures[0].shape == (SIZE, SIZE, 3)
        assert max(picture.std() for picture in pictures) > 1
