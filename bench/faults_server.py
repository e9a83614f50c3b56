"""Faults of a long day: two hundred prompts on the real server, whose memory stays where it was."""

from __future__ import annotations

import shutil
from itertools import islice
from pathlib import Path

from ..host import installation, workflow
from ..host.server import Server
from ..testing import material, models
from ..testing.stand_ins import checkpoint
from .fault import Table, keep

TABLE = Table(host=True, long=True)
TEMPLATE = "portrait_image"
PROMPTS, SETTLED, GROWTH = 200, 20, 0.05
SMALL = {"size": 128, "steps": 1, "cfg": 1.0}
EVERY = 10  # prompts after which the crop changes too, so that everything runs again
LOOKS = ("clip_vision", "left_eye", "right_eye", "mouth")  # of the drive encoder through CLIP: a quarter of a minute each time


@TABLE.fault(f"{PROMPTS} prompts on one server", rf"nothing: [+-]\d+\.\d % of memory from prompt {SETTLED} to {PROMPTS}")
def long_day(folder: Path) -> str:
    with Server(installation.find(), folder) as server:
        stock(folder)
        graph = workflow.to_api(workflow.read(TEMPLATE), server.object_info())
        models.use_synthetic(graph)
        memory = list(islice(soak(server, lean(graph)), PROMPTS))
    growth = memory[-1] / memory[SETTLED - 1] - 1
    keep(growth < GROWTH, f"{growth:.1%} of memory from prompt {SETTLED} to {PROMPTS}")
    return f"nothing: {100 * growth:+.1f} % of memory from prompt {SETTLED} to {PROMPTS} ({memory[-1] / 1e6:.0f} MB)"


def stock(folder: Path) -> None:
    """What TEMPLATE made `lean` needs in a server's folders: random weights, and one photograph as portrait and as driver."""
    saved = workflow.read(TEMPLATE)
    checkpoint.write_for(folder / "models", (model for model in workflow.models(saved) if model[0] != "clip_vision"))
    (folder / "input").mkdir(parents=True, exist_ok=True)
    for name in ("portrait.png", "driver.png"):
        shutil.copy(material.portrait(), folder / "input" / name)


def lean(graph: dict) -> dict:
    """A graph at a size for soaking, its face held still: CLIP is not asked."""
    for node in graph.values():
        node["inputs"].update({name: value for name, value in SMALL.items() if name in node["inputs"]})
    drive = graph[workflow.node_id(graph, "SKPortraitEncodeDrive")]["inputs"]
    for name in LOOKS:
        del drive[name]
    drive["still_face"] = True
    del graph[workflow.node_id(graph, "CLIPVisionLoader")]
    return graph


def soak(server: Server, graph: dict):
    """Bytes that the server holds after each prompt: every one samples anew, some of them begin at the crop."""
    import psutil

    process, k = psutil.Process(server.process.pid), 0
    while True:
        for node in graph.values():
            inputs = node["inputs"]
            inputs.update({name: k for name in ("seed", "noise_seed") if name in inputs})
            if "factor" in inputs:
                inputs["factor"] = 2.0 + 0.05 * (k // EVERY)
        keep(server.run(graph), f"the picture of prompt {k}")
        yield process.memory_info().rss
        k += 1
