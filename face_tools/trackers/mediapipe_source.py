"""What MediaPipe's two face trackers share: 478 landmarks, the search in tiles, the head pose from the landmarks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib import metadata, util
from typing import Any

import numpy as np

from .faces import Face
from .head_pose import solve
from .tiles import Finder

SCHEME = "mediapipe478"
MAX_FACES = 4


def installed_version() -> tuple[int, ...] | None:
    """Version of the installed mediapipe, without importing it, or None."""
    if util.find_spec("mediapipe") is None:
        return None
    return tuple(int(part) for part in metadata.version("mediapipe").split(".")[:3] if part.isdigit())


def landmarks_of(points, image: np.ndarray) -> np.ndarray:
    """(478, 3) pixels of MediaPipe's normalised points; z comes on the scale of x."""
    height, width = image.shape[:2]
    return np.array([(p.x, p.y, p.z) for p in points], np.float32) * np.float32([width, height, width])


def posed(faces: list[Face], image: np.ndarray) -> list[Face]:
    """The faces of an (H, W, 3) picture with their head pose."""
    size = image.shape[1], image.shape[0]
    return [face.posed(*solve(face.landmarks, SCHEME, size)) for face in faces]


class MediaPipeSource:
    """A source over one of MediaPipe's face nets, which is closed with it."""

    scheme = SCHEME

    def __init__(self, net: Any, notes: tuple[str, ...]):
        self._net, self.notes = net, notes

    def track(self, frames: Iterable[np.ndarray]) -> Iterator[list[Face]]:
        find = Finder(self._detect)
        for frame in frames:
            yield posed(find(frame), frame)

    def glance(self, frame: np.ndarray) -> list[Face]:
        return posed(self._detect(frame), frame)

    def _detect(self, image: np.ndarray) -> list[Face]:
        raise NotImplementedError

    def close(self) -> None:
        self._net.close()

    def __enter__(self) -> "MediaPipeSource":
        return self

    def __exit__(self, *exc) -> None:
        self.close()
