"""The FaceMesh inside mediapipe 0.10.21: 478 landmarks offline, without a model file, and without coefficients."""

from __future__ import annotations

import sys

import numpy as np

from .faces import Face, ModelFiles
from .mediapipe_source import MAX_FACES, MediaPipeSource, installed_version, landmarks_of

NAME = "mediapipe-mesh"
LAST_WITH_MESH = (0, 10, 29)
NOTE = (
    "MediaPipe's built-in FaceMesh gives landmarks and head pose, and no expression coefficients: import a file of ARKit "
    "coefficients, or use another source."
)


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
    return MeshSource(lambda: FaceMesh(static_image_mode=True, max_num_faces=MAX_FACES, refine_landmarks=True), (NOTE,))


class MeshSource(MediaPipeSource):
    name, gives_coefficients = NAME, False

    def _faces(self, net, image: np.ndarray) -> list[Face]:
        found = net.process(image).multi_face_landmarks or ()
        return [Face(landmarks_of(face.landmark, image)) for face in found]
