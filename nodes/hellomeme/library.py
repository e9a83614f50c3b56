"""Lists the official files in models/sk_portrait under the names of their
download pages, whatever their file names are.

All official repositories use the same file name. `hm2_reference/diffusion_pytorch_model.safetensors` (one
folder per repository) is listed as `hm2_reference.safetensors`, and so is a file
`diffusion_pytorch_model (1).safetensors` without such a folder if its header identifies it.
"""

from __future__ import annotations

import json
import os
import re
from functools import lru_cache

import folder_paths

from ...sk_attention.published_files import ANIMATEDIFF, PARTS, Shapes
from ...sk_attention.versions import PAGE, VERSIONS, newest_first
from ...unet.networks.animatediff import in_own_names
from ..folders import NETWORKS, files, find, spellings

# File names that hubs and browsers give to downloads.
NAMELESS = re.compile(r"(diffusion_pytorch_model|pytorch_model|model)([ _-]?\(?\d+\)?)?$")
HEADER_LIMIT = 1 << 26  # bytes; a longer header is not valid


def catalogue() -> dict[str, str]:
    """Return {listed name: file as ComfyUI lists it}. A file with a name of its own keeps it."""
    found, nameless = {}, []
    for file in files(NETWORKS):
        folder, stem, ending = _split(file)
        if not NAMELESS.match(stem):
            found[file] = file
        elif folder:
            found[folder + ending] = file
        else:
            nameless.append(file)
    for file in nameless:
        pages = dict.fromkeys(name for part in _parts(file) or () for name in part.repositories.values())
        names = [page + _split(file)[2] for page in pages]
        found |= {name: file for name in names if name not in found} if names else {file: file}
    return found


def options(*kinds: str) -> list[str]:
    """Return the files to choose from: those that their header identifies as one of `kinds`, and those
    without a readable header.

    Newest version first.
    """
    offered = {name: _parts(file) for name, file in catalogue().items()}
    fitting = [
        name
        for name, parts in offered.items()
        if not kinds or parts is None or {part.kind for part in parts} & set(kinds)
    ]
    order = [page for version in newest_first() for page in VERSIONS[version].repositories]
    return sorted(fitting, key=lambda name: (_rank(order, page_name(name)), name))


def locate(name: str) -> str:
    """Return the path of a listed name.

    Raises MissingFileError that names the file, the folder and the page.
    """
    return find(NETWORKS, listed_as(name), page(name))


def listed_as(name: str) -> str:
    """Return the file of a listed name, whichever operating system saved the name.

    Any other name is returned unchanged.
    """
    known = catalogue()
    return next((known[spelling] for spelling in spellings(name) if spelling in known), name)


def unknown(name: str) -> str | None:
    """Return an error message if the file is missing (for validate_inputs), otherwise None."""
    try:
        locate(name)
    except FileNotFoundError as error:
        return str(error)
    return None


def page_name(name: str) -> str:
    """Return the repository in a listed name, or "" if it contains none."""
    repository = re.search(r"(hm\d?[a-z]?_\w+|pd_fgc_motion)", name)
    return repository[1] if repository else ""


def page(name: str) -> str:
    """Return the download page of a file name."""
    return PAGE + page_name(name)


def _split(file: str) -> tuple[str, str, str]:
    """Return folder (with slashes), stem and extension of a file as ComfyUI lists it."""
    folder, base = os.path.split(file.replace("\\", "/"))
    return (folder, *os.path.splitext(base))


def _rank(order: list, repository: str) -> int:
    """Sort key of a file: newest version first, then other official files,
    then files without a repository in their name.
    """
    if not repository:
        return len(order) + 1
    return order.index(repository) if repository in order else len(order)


def _parts(file: str):
    """Return the official parts that a file's header matches, an empty tuple if
    none does; None if it has no readable header.
    """
    path = folder_paths.get_full_path(NETWORKS, file)
    if path is None or not path.endswith(".safetensors"):
        return None
    status = os.stat(path)
    return _recognised(path, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=512)
def _recognised(path: str, changed: int, size: int):
    try:
        with open(path, "rb") as opened:
            length = int.from_bytes(opened.read(8), "little")
            if length > HEADER_LIMIT:
                return None
            header = json.loads(opened.read(length))
        shapes = Shapes(
            {key: tuple(entry["shape"]) for key, entry in header.items() if key != "__metadata__"}
        )
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
    if in_own_names(shapes):
        return tuple(part for part in PARTS if part.kind == ANIMATEDIFF)
    return tuple(part for part in PARTS if part.matches(shapes))
