"""Files for combo boxes: every real folder once, however links lead round, and only those read again that have changed."""

from __future__ import annotations

import os
import time

import folder_paths

from .folders import spellings

OUTPUT = " [output]"  # ComfyUI's mark of a file in the output folder
ENDINGS = (".csv", ".json", ".npz")
SETTLED = 2e9  # nanoseconds after which a folder's time tells of every change: two within one tick of the clock look like one

_known: dict[
    tuple[int, int], tuple[int, list[str], list[str], list[str]]
] = {}  # folder -> its time, folders, linked folders, files


def listed(*endings: str, output: bool = False) -> list[str]:
    """Files of these ENDINGS in the input folder, and those of the output folder with ComfyUI's mark."""
    names = files_in(folder_paths.get_input_directory(), endings)
    return names + (
        [name + OUTPUT for name in files_in(folder_paths.get_output_directory(), endings)] if output else []
    )


def inside(folder: str, name: str) -> str | None:
    """Path of a file below a folder, whichever system saved its name; None if there is none, or outside."""
    if "\0" in name:
        return None
    top = os.path.join(os.path.abspath(folder), "")
    paths = (os.path.abspath(os.path.join(top, spelling)) for spelling in spellings(name))
    return next((path for path in paths if path.startswith(top) and os.path.isfile(path)), None)


def files_in(folder: str, endings: tuple[str, ...]) -> list[str]:
    """Paths below a folder, with forward slashes, sorted. A folder that is reached twice counts where it really lies."""
    found, seen = [], set()
    real, linked = [""], []
    while real or linked:
        prefix = real.pop() if real else linked.pop()
        try:
            status = os.stat(os.path.join(folder, prefix))
            identity = status.st_dev, status.st_ino
            if identity in seen:
                continue
            seen.add(identity)
            folders, links, files = _content(os.path.join(folder, prefix), identity, status.st_mtime_ns)
        except OSError:  # gone meanwhile, or not ours to read
            continue
        real += [f"{prefix}{name}/" for name in folders]
        linked += [f"{prefix}{name}/" for name in links]
        found += [prefix + name for name in files if name.lower().endswith(endings)]
    return sorted(found)


def _content(place: str, identity: tuple[int, int], changed: int) -> tuple[list[str], list[str], list[str]]:
    """Names of a folder's folders, linked folders and files with one of the ENDINGS."""
    if identity in _known and _known[identity][0] == changed:
        return _known[identity][1:]
    folders, links, files = [], [], []
    with os.scandir(place) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                folders.append(entry.name)
            elif entry.is_symlink() and os.path.isdir(entry.path):
                links.append(entry.name)
            elif entry.name.lower().endswith(ENDINGS):
                files.append(entry.name)
    if time.time_ns() - changed > SETTLED:
        _known[identity] = changed, folders, links, files
    return folders, links, files
