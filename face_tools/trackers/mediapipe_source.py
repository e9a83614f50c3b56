"""What MediaPipe's two face trackers share: 478 landmarks, the search in tiles, the head pose from the landmarks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from importlib import metadata, util
from queue import Empty, SimpleQueue
from typing import Any

import numpy as np

from ..threaded_map import ahead
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
    """A source over one of MediaPipe's face nets. They look at each picture by itself, so that frames are looked at side by side, each
    by a net of its own: `make()` gives one, and they are closed with the source."""

    scheme = SCHEME

    def __init__(self, make: Callable[[], Any], notes: tuple[str, ...]):
        self._make, self.notes = make, notes
        self._nets = [make()]
        self._idle: SimpleQueue[Any] = SimpleQueue()
        self._idle.put(self._nets[0])

    def track(self, frames: Iterable[np.ndarray]) -> Iterator[list[Face]]:
        find = Finder(self._detect)
        for frame, faces in ahead(lambda frame: (frame, self._detect(frame)), frames):
            yield posed(find(frame, faces), frame)

    def glance(self, frame: np.ndarray) -> list[Face]:
        return posed(self._detect(frame), frame)

    def _detect(self, image: np.ndarray) -> list[Face]:
        with self._net() as net:
            return self._faces(net, image)

    def _faces(self, net: Any, image: np.ndarray) -> list[Face]:
        """What a net sees in a picture."""
        raise NotImplementedError

    @contextmanager
    def _net(self) -> Iterator[Any]:
        """A net that nobody else uses meanwhile."""
        try:
            net = self._idle.get_nowait()
        except Empty:
            net = self._make()
            self._nets.append(net)
        try:
            yield net
        finally:
            self._idle.put(net)

    def close(self) -> None:
        for net in self._nets:
            net.close()

    def __enter__(self) -> "MediaPipeSource":
        return self

    def __exit__(self, *exc) -> None:
        self.close()
