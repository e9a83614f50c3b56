"""The shipped video workflows run on the real server, from a real face video to a saved one, on small random weights."""

from __future__ import annotations

import pytest

from sk_portrait.face_tools.video import frames as read_frames

pytestmark = pytest.mark.comfy

FRAMES, SIZE = 5, 128


@pytest.mark.parametrize(
    ("name", "videos"), [("portrait_video_two_stage", 2), ("portrait_video_keyframes", 1)]
)
def test_a_shipped_workflow_saves_its_video(stocked, small_graph, name, videos):
    graph = small_graph(name, size=SIZE, length=FRAMES, steps=1, window_length=4, overlap=2)
    outputs = stocked.run(graph)
    saved = [outputs[key]["images"][0] for key, node in graph.items() if node["class_type"] == "SaveVideo"]
    assert len(saved) == videos
    for file in saved:
        pictures = list(read_frames(stocked.path(file)))
        assert len(pictures) == FRAMES and pictures[0].shape == (SIZE, SIZE, 3)
        assert max(picture.std() for picture in pictures) > 1
