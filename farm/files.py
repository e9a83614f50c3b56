"""The files that a clip depends on. All machines need the same ones."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

from ..errors import SKPortraitError
from .graph import Graph

FileHashes = Mapping[str, str | None]  # name -> SHA-256, or None if there is no such file


@dataclass(eq=False)
class OtherFile(SKPortraitError, ValueError):
    """A machine has another file than the clip's under the same name, or none."""

    file: str
    where: str


def require_files(here: FileHashes, there: FileHashes, where: str) -> None:
    """Raise OtherFile for the first model file that is not the same on a machine."""
    for name, digest in here.items():
        found = there.get(name)
        if found != digest:
            state = (
                "is absent"
                if found is None
                else f"is another file (sha256 {found[:12]}, expected {str(digest)[:12]})"
            )
            raise OtherFile(
                f"On {where} the model {name} {state}: every machine needs the same files.", name, where
            )


def hash_of(graph: Graph, models: FileHashes, inputs: FileHashes, *choices) -> str:
    """Return a hash that identifies the work: the graph, its model and input files, and the choices."""
    depends = [graph, sorted(models.items()), sorted(inputs.items()), *choices]
    return hashlib.sha256(json.dumps(depends, sort_keys=True, default=str).encode()).hexdigest()[:16]
