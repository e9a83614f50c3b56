"""`python run.py serve [ComfyUI arguments]`: opens ComfyUI with this pack, until Ctrl-C.

The server has a base folder of its own in the cache (inputs, outputs, settings); it also sees the models of
the ComfyUI folder.
"""

from __future__ import annotations

import subprocess

from ..host import installation
from ..host.environment import CACHE
from ..host.server import command_line, link_pack, surroundings
from ..testing import models, servers


def main(argv: list[str]) -> int:
    comfy = installation.find()
    if comfy is None:
        print(
            "`serve` opens ComfyUI, and there is none here: set COMFYUI_PATH to a ComfyUI folder, the one with main.py."
        )
        return 1
    base = CACHE / "serve"
    link_pack(base)
    servers.fill(base)
    port = int(argv[argv.index("--port") + 1]) if "--port" in argv else 8188
    command = command_line(comfy, base, port, *models.share_host_models(comfy, base), *argv)
    print(
        f"ComfyUI with SK Portrait: http://127.0.0.1:{port} (stop with Ctrl-C). Inputs, outputs and settings: {base}"
    )
    print(
        "Workflows: Templates, then sk-portrait. Models called synthetic_* are random numbers for trying: they make noise."
    )
    process = subprocess.Popen(command, cwd=base, env=surroundings())
    try:
        return process.wait()
    finally:
        process.terminate()
        process.wait()
