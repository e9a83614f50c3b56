"""A long day: two hundred prompts on one server do not take more and more memory."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import pytest

from sk_portrait.host import workflow
from sk_portrait.host.server import Server
from sk_portrait.testing import models, servers

PROMPTS, SETTLED, GROWTH = 200, 20, 0.05
EVERY = 10  # prompts after which the crop changes too, so that everything runs again


def soak(server: Server, graph: dict) -> Iterator[int]:
    """Bytes that the server holds after each prompt: every one samples anew, some of them begin at the crop."""
    import psutil

    process, k = psutil.Process(server.process.pid), 0
    while True:
        for node in graph.values():
            inputs = node["inputs"]
            inputs.update({name: k for name in ("seed", "noise_seed") if name in inputs})
            if "factor" in inputs:
                inputs["factor"] = 2.0 + 0.05 * (k // EVERY)
        assert server.run(graph), f"prompt {k} made no picture"
        yield process.memory_info().rss
        k += 1


@pytest.mark.slow
def test_two_hundred_prompts(comfy, tmp_path):
    with Server(comfy, tmp_path) as server:
        servers.stock(tmp_path)
        graph = workflow.to_api(workflow.read(servers.TEMPLATE), server.object_info())
        models.use_synthetic(graph)
        memory = list(islice(soak(server, servers.lean(graph)), PROMPTS))
    assert memory[-1] < (1 + GROWTH) * memory[SETTLED - 1]
