"""The shipped portrait workflows run on the real server, from real pictures to real files, on random weights."""

import pytest

from sk_portrait.face_tools import video
from sk_portrait.host import workflow
from sk_portrait.host.server import RunError
from sk_portrait.testing import servers

pytestmark = pytest.mark.comfy


def test_one_picture_drives_one_portrait(stocked, small_graph):
    picture = servers.picture(stocked, small_graph("portrait_image"))
    assert picture.shape == (128, 128, 3) and picture.std() > 0


def test_a_video_drives_one_portrait_frame_by_frame(stocked, small_graph):
    graph = small_graph("portrait_video")
    seen = []
    outputs = stocked.run(graph, lambda node, value, maximum: seen.append((node, value, maximum)))
    (file,) = outputs[workflow.node_id(graph, "SaveVideo")]["images"]
    frames = list(video.frames(stocked.path(file)))
    assert [frame.shape for frame in frames] == [(128, 128, 3)] * 2
    assert (workflow.node_id(graph, "KSampler"), 2, 2) in seen


def test_cancel_stops_sampling_and_the_next_run_is_whole(stocked, small_graph):
    long = small_graph("portrait_video", steps=60)
    sampler = workflow.node_id(long, "KSampler")
    reached = []

    def cancel(node, value, maximum):
        if node == sampler and value >= 1:
            reached.append(value)
            stocked.interrupt()

    with pytest.raises(RunError, match="interrupted"):
        stocked.run(long, cancel)
    assert max(reached) < 60
    graph = small_graph("portrait_video", steps=3)
    assert workflow.node_id(graph, "SaveVideo") in stocked.run(graph)
