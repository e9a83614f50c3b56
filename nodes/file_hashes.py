"""Hashes of the files that this ComfyUI has under the names in a graph.

Machines that sample one clip must have the same files.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable
from functools import lru_cache

import folder_paths
import server

from .folders import path_of
from .hellomeme.library import listed_as
from .input_files import inside, sha256_of

# POST {"names": [...]} -> {"models": {name: SHA-256 or null}, "inputs": {name: SHA-256}}.
ROUTE = "/sk_portrait/digests"
MODEL_FILES = (".safetensors", ".ckpt", ".pt", ".pth", ".bin", ".onnx", ".gguf")
LONGEST_NAME = 200  # characters in a file name: longer texts are prompts


def models(names: Iterable[str]) -> dict[str, str | None]:
    """Return {name: SHA-256} for the names of model files, searched in all
    model folders; None if there is no such file.
    """

    def where(name: str) -> str | None:
        file = listed_as(name)
        places = (path_of(folder, file) for folder in folder_paths.folder_names_and_paths)
        return next(filter(None, places), None)

    found = {name: where(name) for name in names if name.endswith(MODEL_FILES)}
    return {name: path and _digest(path) for name, path in found.items()}


def inputs(names: Iterable[str]) -> dict[str, str]:
    """Return {name: SHA-256} for the names that are files in the input folder."""
    found = {name: _input(name) for name in names if name and len(name) < LONGEST_NAME}
    return {name: _digest(path) for name, path in found.items() if path}


def add_route() -> None:
    """Add the route that `python run.py farm --servers` queries.

    It is added once, even if the pack is installed in two folders.
    """
    running = getattr(server.PromptServer, "instance", None)
    if running is not None and all(route.path != ROUTE for route in running.routes):
        running.routes.post(ROUTE)(_answer)


async def _answer(request):
    names = (await request.json())["names"]
    found = await asyncio.get_running_loop().run_in_executor(
        None, lambda: {"models": models(names), "inputs": inputs(names)}
    )
    return server.web.json_response(found)


def _input(name: str) -> str | None:
    """Return the path of a file in the input folder, or in the
    folder that the name states; None if there is none.
    """
    name, folder = folder_paths.annotated_filepath(name)
    return inside(folder or folder_paths.get_input_directory(), name)


def _digest(path: str) -> str:
    return _sha256(path, os.stat(path).st_mtime_ns)


@lru_cache(maxsize=256)
def _sha256(path: str, changed: int) -> str:
    return sha256_of(path)
