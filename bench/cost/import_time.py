"""`python run.py bench import`: the time that importing the pack adds to the start
of ComfyUI; it must stay below half a second.

Each measurement is a new process that has already imported ComfyUI's own modules and then loads the pack as
ComfyUI does: import, `comfy_entrypoint()`, and the schema of every node.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile

from ...host import environment, installation

LIMIT, RUNS = 0.5, 2
HEAVY = ("torch", "cv2", "mediapipe", "onnxruntime", "jax", "av", "diffusers", "transformers")

CHILD = """
import asyncio, importlib.util, json, sys, time
spec = importlib.util.spec_from_file_location("run", sys.argv[1])
run = importlib.util.module_from_spec(spec)
spec.loader.exec_module(run)
if sys.argv[2] != "none":
    run.tool("host.installation").enter(sys.argv[2], sys.argv[3])
    import nodes, server, comfy_api.latest
for name in [name for name in sys.modules if name.split(".")[0] == run.PACK]:
    del sys.modules[name]
before, start = set(sys.modules), time.perf_counter()
pack = run.load_pack()
count = 0
if sys.argv[2] != "none":
    async def load():
        extension = await pack.comfy_entrypoint()
        return await extension.get_node_list()
    for node in asyncio.run(load()):
        node.GET_SCHEMA()
        count += 1
print(json.dumps([time.perf_counter() - start, count, sorted(set(sys.modules) - before)]))
"""


def measure(comfy: str, base: str) -> tuple[float, int, list[str]]:
    """Return the seconds, the number of nodes and the newly imported modules of one process."""
    command = [sys.executable, "-c", CHILD, str(environment.ROOT / "run.py"), comfy, base]
    cache = os.environ | {"PYTHONPYCACHEPREFIX": str(environment.CACHE / "pycache")}
    output = subprocess.run(command, check=True, capture_output=True, text=True, env=cache).stdout
    return tuple(json.loads(output.splitlines()[-1]))


def main(argv: list[str]) -> int:
    comfy = str(installation.find() or "none")
    if comfy == "none":
        print("ComfyUI is absent: this is the package alone, without its nodes.")
    with tempfile.TemporaryDirectory() as base:
        measure(comfy, base)  # compiles the files once
        runs = [measure(comfy, base) for _ in range(RUNS)]
    seconds, (_, count, added) = [run[0] for run in runs], runs[0]
    heavy = [name for name in HEAVY if name in added]
    print(f"{count} nodes; seconds: {', '.join(f'{s:.3f}' for s in seconds)} (limit {LIMIT})")
    print(f"heavy modules that ComfyUI had not loaded: {', '.join(heavy) or 'none'}")
    return int(max(seconds) >= LIMIT or bool(heavy))
