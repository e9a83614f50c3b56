"""What an artist finds after the first start: the model folders, and files to try the templates with."""

from __future__ import annotations

import logging
import os
import re
import shutil
from pathlib import Path

import folder_paths

from ..drawn_heads import examples
from .folders import EXTENSIONS

SERVED = re.compile(r"[\w.~-]+", re.ASCII)  # a folder name that ComfyUI serves files from


def prepare(pack: Path) -> None:
    """Create the model folders, put the example files into ComfyUI's input folder, and check the name of the pack's folder.

    A folder that cannot be written to is left as it is: the nodes work without all of this.
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
    """A warning for the name of a pack folder from which ComfyUI serves neither templates nor help pages."""
    if SERVED.fullmatch(name):
        return None
    return (
        f'SK Portrait: ComfyUI shows no templates and no help pages of a pack in a folder called "{name}". '
        'Rename the folder in custom_nodes to "sk-portrait" and restart.'
    )


def copy_examples(inputs: Path) -> None:
    """Copy the example files that are not there. ComfyUI's own loaders list the input folder and nothing else."""
    inputs.mkdir(parents=True, exist_ok=True)
    for path in examples.files():
        if not (inputs / path.name).exists():
            shutil.copyfile(path, inputs / path.name)
