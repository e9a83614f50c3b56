"""Faults of a long day: two hundred prompts on the real server, whose memory stays where it was."""

from __future__ import annotations

from pathlib import Path

from ..demo import clips, host, models, weights, workflow
from ..demo.server import Server
from .fault import Table, keep

TABLE = Table(host=True, long=True)
PROMPTS, SETTLED, GROWTH = 200, 20, 0.05
SMALL = {"size": 128, "steps": 1}
EVERY = 10  # prompts after which the crop changes too, so that everything runs again


def resident(process_id: int) -> int:
    """Bytes of memory that a process of this machine holds."""
    import psutil

    return psutil.Process(process_id).memory_info().rss


@TABLE.fault(f"{PROMPTS} prompts on one server", r"nothing: [+-]\d+\.\d % of memory from prompt 20 to 200")
def soak(folder: Path) -> str:
    import shutil

    with Server(host.find(), folder) as server:
        weights.write_for(folder / "models", workflow.models(workflow.read("portrait_image")))
        shutil.copy(clips.portrait(), folder / "input" / "portrait.png")
        shutil.copy(clips.portrait(), folder / "input" / "driver.png")
        graph = workflow.to_api(workflow.read("portrait_image"), server.object_info())
        models.use_synthetic(graph)
        for each in graph.values():
            each["inputs"].update({name: value for name, value in SMALL.items() if name in each["inputs"]})
        memory = []
        for k in range(PROMPTS):
            for each in graph.values():
                inputs = each["inputs"]
                inputs.update({name: k for name in ("seed", "noise_seed") if name in inputs})
                if "factor" in inputs:
                    inputs["factor"] = 2.0 + 0.05 * (k // EVERY)
            keep(server.run(graph), f"the picture of prompt {k}")
            memory.append(resident(server.process.pid))
    growth = memory[-1] / memory[SETTLED - 1] - 1
    keep(growth < GROWTH, f"{growth:.1%} of memory from prompt {SETTLED} to {PROMPTS}")
    return f"nothing: {100 * growth:+.1f} % of memory from prompt {SETTLED} to {PROMPTS} ({memory[-1] / 1e6:.0f} MB)"
