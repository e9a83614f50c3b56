"""The official files that lie in models/sk_portrait, under the names of their pages, whatever a download called them.

Every repository of the authors holds one file of the same name. `hm2_reference/diffusion_pytorch_model.safetensors` (a folder a
repository) is listed as `hm2_reference.safetensors`, and so is a bare `diffusion_pytorch_model (1).safetensors` whose header says so.
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

# What hubs and browsers call a download.
NAMELESS = re.compile(r"(diffusion_pytorch_model|pytorch_model|model)([ _-]?\(?\d+\)?)?$")
HEADER_LIMIT = 1 << 26  # bytes; a longer one is no header


def catalogue() -> dict[str, str]:
    """Name in the lists -> file, as ComfyUI lists it. A file that has a name of its own keeps it."""
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
    """The files an artist can choose: those whose header says one of `kinds`, and those that have none; today's version first."""
    offered = {name: _parts(file) for name, file in catalogue().items()}
    fitting = [
        name
        for name, parts in offered.items()
        if not kinds or parts is None or {part.kind for part in parts} & set(kinds)
    ]
    order = [page for version in newest_first() for page in VERSIONS[version].repositories]
    return sorted(fitting, key=lambda name: (_rank(order, page_name(name)), name))


def locate(name: str) -> str:
    """Path of a file by its name in the lists. Raises MissingFileError that names the file, the folder and the page."""
    return find(NETWORKS, listed_as(name), page(name))


def listed_as(name: str) -> str:
    """The file of a name in the lists, whichever system saved it; any other name stays as it is."""
    known = catalogue()
    return next((known[spelling] for spelling in spellings(name) if spelling in known), name)


def unknown(name: str) -> str | None:
    """Error message if the file is not in the folder (for validate_inputs), else None."""
    try:
        locate(name)
    except FileNotFoundError as error:
        return str(error)
    return None


def page_name(name: str) -> str:
    """The repository in a name of the lists, or nothing."""
    repository = re.search(r"(hm\d?[a-z]?_\w+|pd_fgc_motion)", name)
    return repository[1] if repository else ""


def page(name: str) -> str:
    """Where a file of this name is published."""
    return PAGE + page_name(name)


def _split(file: str) -> tuple[str, str, str]:
    """Folder (with slashes), stem and ending of a file as ComfyUI lists it."""
    folder, base = os.path.split(file.replace("\\", "/"))
    return (folder, *os.path.splitext(base))


def _rank(order: list, repository: str) -> int:
    """Where a file stands in a list: today's version first, then other official files, at last what may be anything."""
    if not repository:
        return len(order) + 1
    return order.index(repository) if repository in order else len(order)


def _parts(file: str):
    """The official parts that a file's header fits, none for a foreign one; None where it has no header to read."""
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
