"""The FaceMesh inside mediapipe 0.10.21: 478 landmarks offline, without a model file, and without coefficients."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from importlib import metadata, util

import numpy as np

from .faces import Face, ModelFiles
from .head_pose import solve
from .tiles import Finder

NAME, SCHEME = "mediapipe-mesh", "mediapipe478"
LAST_WITH_MESH = (0, 10, 29)
MAX_FACES = 4


def installed_version() -> tuple[int, ...] | None:
    """Version of the installed mediapipe, without importing it, or None."""
    if util.find_spec("mediapipe") is None:
        return None
    return tuple(int(part) for part in metadata.version("mediapipe").split(".")[:3] if part.isdigit())


def missing(models: ModelFiles) -> str | None:
    """Why FaceMesh cannot run here, or None."""
    version = installed_version()
    if version is None:
        return (
            "The built-in FaceMesh needs the \"mediapipe\" package in ComfyUI's Python "
            f'({sys.executable} -m pip install "mediapipe==0.10.21", Python 3.12 or older).'
        )
    if version > LAST_WITH_MESH:
        return (
            "MediaPipe's built-in FaceMesh exists only up to 0.10.21 (Python 3.12 or older) and mediapipe "
            f"{'.'.join(map(str, version))} is installed; put face_landmarker.task in place instead."
        )
    return None


def open_source(models: ModelFiles) -> "MeshSource":
    from mediapipe.python.solutions.face_mesh import FaceMesh

    # Each picture for itself: no lag, no state from one frame to the next, and no more jitter than its tracking mode.
    return MeshSource(FaceMesh(static_image_mode=True, max_num_faces=MAX_FACES, refine_landmarks=True))


class MeshSource:
    name, scheme, gives_coefficients = NAME, SCHEME, False
    notes = (
        "MediaPipe's built-in FaceMesh gives landmarks and head pose, and no expression coefficients: import a file of ARKit "
        "coefficients, or use another source.",
    )

    def __init__(self, mesh):
        self._mesh = mesh

    def track(self, frames: Iterable[np.ndarray]) -> Iterator[list[Face]]:
        find = Finder(self._detect)
        for frame in frames:
            size = frame.shape[1], frame.shape[0]
            yield [face.posed(*solve(face.landmarks, SCHEME, size)) for face in find(frame)]

    def _detect(self, image: np.ndarray) -> list[Face]:
        height, width = image.shape[:2]
        scale = np.float32([width, height, width])  # z comes on the scale of x
        found = self._mesh.process(image).multi_face_landmarks or ()
        return [Face(np.array([(p.x, p.y, p.z) for p in face.landmark], np.float32) * scale) for face in found]

    def close(self) -> None:
        self._mesh.close()

    def __enter__(self) -> "MeshSource":
        return self

    def __exit__(self, *exc) -> None:
        self.close()
