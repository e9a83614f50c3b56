"""ComfyUI's own face landmarker as a tracker of consecutive frames."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

import numpy as np
from comfy import model_management

from ...face_tools.coefficients import CoefficientOrder
from ...face_tools.track_errors import UnusableTrackerError
from ...face_tools.trackers.faces import Detection, Face
from ...face_tools.trackers.host_landmarks import NAME, SCHEME, HostLandmarks, face_of, posed
from ...face_tools.trackers.mediapipe_source import detection
from ...face_tools.trackers.tiles import Finder

BATCH = 16  # frames per call, as in ComfyUI's own node
SURE = 0.5  # detection threshold, the default of ComfyUI's node
ABSENT = (
    # Logit of the mesh's presence below which there is no face;
    # MediaPipe drops such faces, ComfyUI's node does not.
    0.0
)
NEAR, FAR = "short", "full"  # ComfyUI's names for its two detectors


class HostTracker:
    """Tracker (see `faces.Source`) whose tracks are compatible with those of Track Face from Landmarks.

    model: output of Load Face Detection Model (MediaPipe). Raises TrackError for another model.
    """

    name, scheme, gives_coefficients = NAME, SCHEME, True

    def __init__(self, model, order: CoefficientOrder, pitch_zero: float | None = None):
        if not hasattr(model, "detect_batch"):
            raise UnusableTrackerError(
                f"Load Face Detection Model (MediaPipe) is needed here; this is a {type(model).__name__}.",
                NAME,
            )
        self._model, self._order = model, order
        nothing = HostLandmarks({"frames": [], "image_size": (0, 0)}, order, pitch_zero)
        self.notes, self.pitch_zero = nothing.notes, nothing.pitch_zero

    def track(self, frames: Iterable[np.ndarray]) -> Iterator[list[Face]]:
        frames = iter(frames)
        find = Finder(lambda picture: self._detect([picture], NEAR)[0])
        while batch := list(islice(frames, BATCH)):
            found = self._detect(batch, NEAR)
            lost = [k for k, faces in enumerate(found) if not faces]
            for k, faces in zip(lost, self._detect([batch[k] for k in lost], FAR) if lost else ()):
                found[k] = faces
            for frame, faces in zip(batch, found):
                yield _posed(find(frame, faces), frame)

    def glance(self, frame: np.ndarray) -> list[Face]:
        return next(self.track([frame]))

    def detect(self, frame: np.ndarray) -> list[Detection]:
        network = getattr(self._model, "models", {}).get(NEAR)
        if network is None or not hasattr(network, "run_detector_batch"):  # of ComfyUI 0.29 to 0.33
            return [face.detection for face in _posed(self._detect([frame], NEAR)[0], frame)]
        model_management.load_model_gpu(self._model.patchers[NEAR])
        _, (square,), _, (found,) = network.run_detector_batch([frame], score_thresh=SURE)
        return [_detection(one, square) for one in found]

    def _detect(self, batch: list[np.ndarray], variant: str) -> list[list[Face]]:
        found = self._model.detect_batch(batch, num_faces=0, score_thresh=SURE, variant=variant)
        return [
            [face_of(face) for face in faces if face.get("presence", ABSENT) >= ABSENT] for faces in found
        ]

    def close(self) -> None:
        """Do nothing: ComfyUI manages the network."""

    def __enter__(self) -> HostTracker:
        return self

    def __exit__(self, *exc) -> None:
        self.close()


def _detection(found: np.ndarray, square: tuple[float, float, float]) -> Detection:
    """Convert a row of ComfyUI's detector.

    found: (17,) x0 y0 x1 y1, six points x y with the image-left eye first, score; in parts of the square
    square: its centre x y and its side, pixels
    """
    *centre, side = square
    points = (found[:16].reshape(8, 2) - 0.5) * side + centre
    return detection(points[:2].ravel(), points[2:4], found[16])


def _posed(faces: list[Face], frame: np.ndarray) -> list[Face]:
    return [posed(face, (frame.shape[1], frame.shape[0])) for face in faces]
