"""Prepares the first start: creates the model folders, and
copies files with which the templates can be tried.
"""

from __future__ import annotations

import logging
import os
import re
import shutil
from pathlib import Path

import folder_paths

from ..drawn_heads import examples
from .folders import EXTENSIONS

SERVED = re.compile(r"[\w.~-]+", re.ASCII)  # a folder name from which ComfyUI serves files


def prepare(pack: Path) -> None:
    """Create the model folders, copy the example files into ComfyUI's input
    folder, and check the name of the pack's folder.

    If a folder cannot be written, that is only logged, because the nodes work without these files.
    """
    if warning := unserved(pack.name):
        logging.warning(warning)
    try:
        for name in EXTENSIONS:
            os.makedirs(folder_paths.get_folder_paths(name)[0], exist_ok=True)
        copy_examples(Path(folder_paths.get_input_directory()))
    except OSError as error:
        logging.warning("SK Portrait: folders or example files could not be written: %s", error)


def unserved(name: str) -> str | None:
    """Return a warning if ComfyUI serves neither templates nor help
    pages from a pack folder of this name, else None.
    """
    if SERVED.fullmatch(name):
        return None
    return (
        f'SK Portrait: ComfyUI shows no templates and no help pages of a pack in a folder called "{name}". '
        'Rename the folder in custom_nodes to "sk-portrait" and restart.'
    )


def copy_examples(inputs: Path) -> None:
    """Copy the example files that are missing, because ComfyUI's own loaders list only the input folder."""
    inputs.mkdir(parents=True, exist_ok=True)
    for path in examples.files():
        if not (inputs / path.name).exists():
            shutil.copyfile(path, inputs / path.name)
