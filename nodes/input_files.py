"""Lists files for combo boxes.

Every real folder is read once, even with circular links, and only again after it has changed.
"""

from __future__ import annotations

import hashlib
import os
import time

import folder_paths

from .folders import spellings

OUTPUT = " [output]"  # ComfyUI's suffix for a file in the output folder
ENDINGS = (".csv", ".json", ".npy", ".npz")
# Nanoseconds after which a folder's modification time can be trusted: two
# changes within one clock tick have the same time.
SETTLED = 2e9

_known: dict[
    tuple[int, int], tuple[int, list[str], list[str], list[str]]
] = {}  # folder -> its modification time, folders, linked folders, files


def listed(*endings: str, output: bool = False) -> list[str]:
    """Return files with these ENDINGS in the input folder; output: also
    those of the output folder, with ComfyUI's suffix.
    """
    names = files_in(folder_paths.get_input_directory(), endings)
    return names + (
        [name + OUTPUT for name in files_in(folder_paths.get_output_directory(), endings)] if output else []
    )


def inside(folder: str, name: str) -> str | None:
    """Return the path of a file below a folder; None if there is none, or if it is outside.

    The name may have been saved on another operating system.
    """
    if "\0" in name:
        return None
    top = os.path.join(os.path.abspath(folder), "")
    paths = (os.path.abspath(os.path.join(top, spelling)) for spelling in spellings(name))
    return next((path for path in paths if path.startswith(top) and os.path.isfile(path)), None)


def files_in(folder: str, endings: tuple[str, ...]) -> list[str]:
    """Return sorted paths below a folder, with forward slashes.

    A folder that is reached twice is listed under its real path.
    """
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
        except OSError:  # deleted meanwhile, or not readable
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


def sha256_of(path: str) -> str:
    """Return the SHA-256 hash of a file, which is read block by block."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
