"""The FaceMesh inside mediapipe 0.10.21: 478 landmarks, offline,
without a model file and without coefficients.
"""

from __future__ import annotations

import sys

import numpy as np

from .faces import Detection, Face, ModelFiles
from .mediapipe_source import MAX_FACES, MediaPipeSource, detection, installed_version, landmarks_of
from .straight_look import CALIBRATION, straight_pitch

NAME = "mediapipe-mesh"
LAST_WITH_MESH = (0, 10, 29)
NOTE = (
    "MediaPipe's built-in FaceMesh gives landmarks and head pose, and no expression coefficients: import a file of ARKit "
    "coefficients, or use another tracker."
)


def missing(models: ModelFiles) -> str | None:
    """Return the reason why FaceMesh cannot run here, or None."""
    version = installed_version()
    if version is None:
        return (
            'The built-in FaceMesh needs the "mediapipe" package in ComfyUI\'s Python '
            f'({sys.executable} -m pip install "mediapipe==0.10.21", Python 3.12 or older).'
        )
    if version > LAST_WITH_MESH:
        return (
            f"MediaPipe's built-in FaceMesh exists only up to mediapipe {'.'.join(map(str, LAST_WITH_MESH))}, and "
            f"{'.'.join(map(str, version))} is installed; put face_landmarker.task in place instead."
        )
    return None


def open_source(models: ModelFiles) -> "MeshSource":
    from mediapipe.python.solutions.face_detection import FaceDetection
    from mediapipe.python.solutions.face_mesh import FaceMesh

    # Each picture separately: no lag, no state between frames, and
    # no more jitter than FaceMesh's tracking mode.
    def net() -> FaceMesh:
        return FaceMesh(static_image_mode=True, max_num_faces=MAX_FACES, refine_landmarks=True)

    zero = straight_pitch(NAME, models.path(CALIBRATION))
    return MeshSource(net, (NOTE,), lambda: FaceDetection(model_selection=0), zero)


class MeshSource(MediaPipeSource):
    name, gives_coefficients = NAME, False

    def _faces(self, net, image: np.ndarray) -> list[Face]:
        found = net.process(image).multi_face_landmarks or ()
        return [Face(landmarks_of(face.landmark, image)) for face in found]

    def _detections(self, detector, image: np.ndarray) -> list[Detection]:
        height, width = image.shape[:2]
        return [_detection(one, width, height) for one in detector.process(image).detections or ()]


def _detection(found, width: int, height: int) -> Detection:
    """Convert MediaPipe's proto, whose coordinates are fractions of the picture."""
    place = found.location_data
    box = place.relative_bounding_box
    corners = np.array([box.xmin, box.ymin, box.xmin + box.width, box.ymin + box.height])
    eyes = np.array([(point.x, point.y) for point in place.relative_keypoints[:2]])
    return detection(corners * [width, height, width, height], eyes * [width, height], found.score[0])
