"""Common code of MediaPipe's two face trackers: 478
landmarks, search in tiles, head pose from the landmarks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib import metadata, util
from queue import Empty, SimpleQueue
from typing import Any

import numpy as np

from ..threaded_map import ahead
from .faces import Detection, Face
from .head_pose import solve
from .tiles import Finder, overlap

SCHEME = "mediapipe478"
MAX_FACES = 4
LEAST = 0.5  # MediaPipe's default confidence


def installed_version() -> tuple[int, ...] | None:
    """Return the version of the installed mediapipe, without importing it, or None."""
    if util.find_spec("mediapipe") is None:
        return None
    return tuple(int(part) for part in metadata.version("mediapipe").split(".")[:3] if part.isdigit())


def landmarks_of(points, image: np.ndarray) -> np.ndarray:
    """Convert MediaPipe's normalised points to (478, 3) pixels; z has the scale of x."""
    height, width = image.shape[:2]
    return np.array([(p.x, p.y, p.z) for p in points], np.float32) * np.array(
        [width, height, width], np.float32
    )


def posed(faces: list[Face], image: np.ndarray) -> list[Face]:
    """Return the faces of an (H, W, 3) picture with their head pose."""
    size = image.shape[1], image.shape[0]
    return [face.posed(*solve(face.landmarks, SCHEME, size)) for face in faces]


def detection(box: tuple[float, ...] | np.ndarray, eyes: np.ndarray, score: float) -> Detection:
    """Convert BlazeFace's box x0 y0 x1 y1 and two eyes (2, 2), the image-left one first, in pixels."""
    x, y = eyes[1] - eyes[0]
    return Detection(np.array(box, np.float32), float(np.arctan2(-y, x)), float(score))


class MediaPipeSource:
    """Source for one of MediaPipe's face networks.

    The networks process each picture separately, so frames are
    processed in parallel, each by a network of its own.

    make:           creates a network
    make_detector:  creates the face detector alone; None = the networks' faces count as certain
    """

    scheme = SCHEME

    def __init__(
        self,
        make: Callable[[], Any],
        notes: tuple[str, ...],
        make_detector: Callable[[], Any] | None = None,
        pitch_zero: float = 0.0,
    ):
        self._make, self.notes, self.pitch_zero = make, notes, pitch_zero
        self._make_detector, self._detector = make_detector, None
        self._nets = [make()]
        self._idle: SimpleQueue[Any] = SimpleQueue()
        self._idle.put(self._nets[0])

    def track(self, frames: Iterable[np.ndarray]) -> Iterator[list[Face]]:
        find = Finder(self._detect)
        for frame, faces in ahead(lambda frame: (frame, self._detect(frame)), frames):
            yield posed(find(frame, faces), frame)

    def glance(self, frame: np.ndarray) -> list[Face]:
        find = Finder(self._scored)
        return posed(find(frame, self._scored(frame)), frame)

    def detect(self, frame: np.ndarray) -> list[Detection]:
        if self._make_detector is None:
            return [face.detection for face in posed(self._detect(frame), frame)]
        self._detector = self._detector or self._make_detector()
        return self._detections(self._detector, frame)

    def _scored(self, image: np.ndarray) -> list[Face]:
        """Return the faces of a picture with the scores of the detector."""
        faces = self._detect(image)
        found = self.detect(image) if faces else ()
        return [replace(face, score=_score(face, found)) for face in faces]

    def _detect(self, image: np.ndarray) -> list[Face]:
        with self._net() as net:
            return self._faces(net, image)

    def _faces(self, net: Any, image: np.ndarray) -> list[Face]:
        """Return the faces that a network finds in a picture."""
        raise NotImplementedError

    def _detections(self, detector: Any, image: np.ndarray) -> list[Detection]:
        """Return the faces that the detector alone finds in a picture."""
        raise NotImplementedError

    @contextmanager
    def _net(self) -> Iterator[Any]:
        """Context manager: a network that no other thread uses meanwhile."""
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
        for net in [*self._nets, *filter(None, [self._detector])]:
            net.close()

    def __enter__(self) -> "MediaPipeSource":
        return self

    def __exit__(self, *exc) -> None:
        self.close()


def _score(face: Face, found: Iterable[Detection]) -> float:
    """Score of the detection that belongs to the face; the detector's threshold if there is none."""
    near = [one for one in found if overlap(one.box, face.box) > 0]
    return max(near, key=lambda one: overlap(one.box, face.box)).score if near else LEAST
