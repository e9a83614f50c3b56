"""MediaPipe's Face Landmarker (face_landmarker.task): 478 landmarks and named coefficients."""

from __future__ import annotations

import sys
import zipfile

import numpy as np

from ..coefficients import ARKIT_51, ORDER_FILE, experimental_note, network_order
from ..track_errors import UnusableTrackerError
from .faces import Detection, Face, ModelFiles
from .mediapipe_source import MAX_FACES, MediaPipeSource, detection, installed_version, landmarks_of
from .straight_look import CALIBRATION, straight_pitch

NAME = "mediapipe-tasks"
FILE = "face_landmarker.task"
PAGE = "https://ai.google.dev/edge/mediapipe/solutions/vision/face_landmarker"
DETECTOR = "face_detector.tflite"
MEMBERS = {
    DETECTOR,
    "face_landmarks_detector.tflite",
    "face_blendshapes.tflite",
    "geometry_pipeline_metadata_landmarks.binarypb",
}
TELEMETRY = (
    "MediaPipe 1.x sends usage metrics (performance and utilization, not pictures) to Google whenever it runs; "
    "mediapipe 0.10.21 does not."
)


def missing(models: ModelFiles) -> str | None:
    """Return the reason why the Face Landmarker cannot run here, or None."""
    if installed_version() is None:
        return (
            f'The MediaPipe source needs the "mediapipe" package in ComfyUI\'s Python ({sys.executable} -m pip install '
            '"mediapipe>=0.10.21"). Note: mediapipe 1.x sends usage metrics to Google. Or use the ONNX source.'
        )
    return models.explain([FILE], PAGE) or _broken(models.there(FILE))


def consent() -> str | None:
    """Return the notice that the user must accept before the
    installed MediaPipe runs; None if it sends nothing.
    """
    version = installed_version()
    return TELEMETRY if version and version >= (1,) else None


def _broken(path: str) -> str | None:
    if not zipfile.is_zipfile(path):
        with open(path, "rb") as file:
            size = file.seek(0, 2)
        return (
            f"{path} ({size} bytes) is not a MediaPipe task bundle; it looks like an HTML page or a partial download. "
            "Delete it and download it again."
        )
    with zipfile.ZipFile(path) as bundle:
        absent = MEMBERS - set(bundle.namelist())
    return (
        f"{path} lacks {', '.join(sorted(absent))}; download the Face Landmarker bundle from {PAGE}."
        if absent
        else None
    )


def open_source(models: ModelFiles) -> "TasksSource":
    """Open the tracker. Raises TrackError if the bundle or a system library is missing."""
    from mediapipe.tasks import python as tasks

    path = models.there(FILE)
    try:
        options = tasks.vision.FaceLandmarkerOptions(
            base_options=tasks.BaseOptions(model_asset_path=path),
            # VIDEO smooths with a lag, which weakens blinks and speech.
            running_mode=tasks.vision.RunningMode.IMAGE,
            num_faces=MAX_FACES,
            output_face_blendshapes=True,
        )
        notes = [consent(), experimental_note(network_order(models.path(ORDER_FILE)))]
        return TasksSource(
            lambda: tasks.vision.FaceLandmarker.create_from_options(options),
            tuple(filter(None, notes)),
            lambda: _detector(path),
            straight_pitch(NAME, models.path(CALIBRATION)),
        )
    except OSError as error:
        if "libEGL" in str(error) or "libGLES" in str(error):
            raise UnusableTrackerError(
                "MediaPipe needs the system libraries libEGL and libGLESv2 (Debian/Ubuntu: apt install libegl1 libgles2).",
                NAME,
            ) from None
        raise
    except (RuntimeError, ValueError) as error:
        raise UnusableTrackerError(f"MediaPipe cannot use {path}: {error}", NAME) from None


def _detector(path: str):
    """Return the bundle's face detector alone."""
    from mediapipe.tasks import python as tasks

    with zipfile.ZipFile(path) as bundle:
        asset = tasks.BaseOptions(model_asset_buffer=bundle.read(DETECTOR))
    mode = tasks.vision.RunningMode.IMAGE
    return tasks.vision.FaceDetector.create_from_options(
        tasks.vision.FaceDetectorOptions(asset, running_mode=mode)
    )


def _picture(image: np.ndarray):
    import mediapipe

    return mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=image)


class TasksSource(MediaPipeSource):
    name, gives_coefficients = NAME, True

    def _faces(self, net, image: np.ndarray) -> list[Face]:
        result = net.detect(_picture(image))
        return [
            Face(landmarks_of(points, image), coefficients=by_name(shapes))
            for points, shapes in zip(result.face_landmarks, result.face_blendshapes)
        ]

    def _detections(self, detector, image: np.ndarray) -> list[Detection]:
        found = detector.detect(_picture(image)).detections
        return [_detection(one, image.shape[1], image.shape[0]) for one in found]


def _detection(found, width: int, height: int) -> Detection:
    """Convert MediaPipe's result: the box is in pixels, the eyes are fractions of the picture."""
    box = found.bounding_box
    corners = (box.origin_x, box.origin_y, box.origin_x + box.width, box.origin_y + box.height)
    eyes = np.array([(point.x * width, point.y * height) for point in found.keypoints[:2]])
    return detection(corners, eyes, found.categories[0].score)


def by_name(categories) -> np.ndarray:
    """(51,) float32 in the order of ARKIT_51 from MediaPipe's
    categories, by `category_name`, never by index.
    """
    scores = {category.category_name: category.score for category in categories}
    absent = [name for name in ARKIT_51 if name not in scores]
    if absent:
        raise UnusableTrackerError(
            f"The Face Landmarker gave no {', '.join(absent)}; use the published face_landmarker.task.", NAME
        )
    return np.array([scores[name] for name in ARKIT_51], np.float32)
