"""Cancel pressed in the front end, in each stage of the Portrait Video Sampler: over the real server's API."""

from __future__ import annotations

import threading

import pytest
from safetensors.torch import load_file

from sk_portrait.host.server import RunError
from sk_portrait.testing.clip_graph import SAMPLER, STEPS, graph, write_models

pytestmark = pytest.mark.comfy


@pytest.fixture(scope="module")
def models(server):
    """The server's model folder with the weights of the graph, of one window: more steps than a Cancel takes to arrive."""
    return write_models(server.base / "models")


def video(server, outputs):
    return load_file(server.path(outputs["save"]["latents"][0]))["latent_tensor"]


def test_cancel_in_each_stage_stops_the_run_and_the_next_one_is_right(server, models):
    right = video(server, server.run(graph(1)))
    for stage, at in enumerate((1, STEPS + 1)):
        reached, seen = threading.Event(), []

        def cancel(node, value, maximum, at=at, seen=seen, reached=reached):
            if node == SAMPLER and value >= at and not reached.is_set():
                reached.set()
                server.interrupt()
            if node == SAMPLER:
                seen.append(value)

        with pytest.raises(RunError, match="(?i)interrupt"):
            server.run(graph(10 + stage), cancel)
        assert reached.is_set() and max(seen) <= at + 1
    steps = []
    again = server.run(
        graph(1, "again"), lambda node, value, maximum: steps.append(value) if node == SAMPLER else None
    )
    assert max(steps) == 2 * STEPS  # sampled again, not from ComfyUI's cache
    assert right.equal(video(server, again))
