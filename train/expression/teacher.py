"""The blendshape network of face_landmarker.task as a function of landmarks, run by MediaPipe's own graph.

It reads x and y of 146 landmarks, so it also works for synthetic heads. Needs mediapipe 0.10.21.
"""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from ...face_tools.trackers.mediapipe_tasks import by_name

MEMBER = "face_blendshapes.tflite"
SIDE = 256  # side of the picture that is passed to the graph, pixels; the network does not depend on it
POINTS = (
    0, 1, 4, 5, 6, 7, 8, 10, 13, 14, 17, 21, 33, 37, 39, 40, 46, 52, 53, 54, 55, 58, 61, 63, 65, 66, 67,
    70, 78, 80, 81, 82, 84, 87, 88, 91, 93, 95, 103, 105, 107, 109, 127, 132, 133, 136, 144, 145, 146,
    148, 149, 150, 152, 153, 154, 155, 157, 158, 159, 160, 161, 162, 163, 168, 172, 173, 176, 178, 181,
    185, 191, 195, 197, 234, 246, 249, 251, 263, 267, 269, 270, 276, 282, 283, 284, 285, 288, 291, 293,
    295, 296, 297, 300, 308, 310, 311, 312, 314, 317, 318, 321, 323, 324, 332, 334, 336, 338, 356, 361,
    362, 365, 373, 374, 375, 377, 378, 379, 380, 381, 382, 384, 385, 386, 387, 388, 389, 390, 397, 398,
    400, 402, 405, 409, 415, 454, 466, 468, 469, 470, 471, 472, 473, 474, 475, 476, 477,
)  # fmt: skip
_GRAPH = """
input_stream: "LANDMARKS:landmarks"
input_stream: "IMAGE:image"
output_stream: "BLENDSHAPES:shapes"
node { calculator: "ImagePropertiesCalculator" input_stream: "IMAGE:image" output_stream: "SIZE:size" }
node {
  calculator: "mediapipe.tasks.vision.face_landmarker.FaceBlendshapesGraph"
  input_stream: "LANDMARKS:landmarks" input_stream: "IMAGE_SIZE:size" output_stream: "BLENDSHAPES:shapes"
  options {
    [mediapipe.tasks.vision.face_landmarker.proto.FaceBlendshapesGraphOptions.ext] {
      base_options { model_asset { file_name: "%s" } }
    }
  }
}
"""


@contextmanager
def teacher(bundle: Path) -> Iterator["Teacher"]:
    """Context manager: the network of a face_landmarker.task."""
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(bundle) as members:
        yield Teacher(Path(members.extract(MEMBER, folder)))


class Teacher:
    """Callable: (N, 478, 2 or 3) landmarks in square pixels, x right
    and y down -> (N, 51) in the order of ARKIT_51.
    """

    def __init__(self, network: Path):
        import mediapipe
        from google.protobuf import text_format
        from mediapipe.framework import calculator_pb2
        from mediapipe.python import packet_creator
        from mediapipe.tasks.cc.vision.face_landmarker.proto import (
            face_blendshapes_graph_options_pb2,  # noqa: F401  (registers the options' type)
        )

        config = text_format.Parse(_GRAPH % network.as_posix(), calculator_pb2.CalculatorGraphConfig())
        blank = mediapipe.Image(
            image_format=mediapipe.ImageFormat.SRGB, data=np.zeros((SIDE, SIDE, 3), np.uint8)
        )
        self._picture = packet_creator.create_image(blank)
        self._graph, self._time, self._answers = mediapipe.CalculatorGraph(graph_config=config), 0, []
        self._graph.observe_output_stream("shapes", lambda _, packet: self._answers.append(packet))
        self._graph.start_run()

    def __call__(self, landmarks: np.ndarray) -> np.ndarray:
        from mediapipe.python import packet_creator, packet_getter

        self._answers.clear()
        for points in _centred(landmarks):
            self._time += 1
            packet = packet_creator.create_proto(_message(points))
            self._graph.add_packet_to_input_stream("landmarks", packet.at(self._time))
            self._graph.add_packet_to_input_stream("image", self._picture.at(self._time))
        self._graph.wait_until_idle()
        return np.stack([_coefficients(packet_getter.get_proto(packet)) for packet in self._answers])


def _centred(landmarks: np.ndarray) -> np.ndarray:
    """(N, 478, 2) as fractions of a picture twice as wide as the face.

    The network does not depend on position and size.
    """
    flat = landmarks[..., :2] - landmarks[..., :2].mean(1, keepdims=True)
    return 0.5 + flat / (2 * np.ptp(flat[..., 0], axis=1)[:, None, None])


def _message(points: np.ndarray):
    from mediapipe.framework.formats import landmark_pb2

    message = landmark_pb2.NormalizedLandmarkList()
    for x, y in points.tolist():
        message.landmark.add(x=x, y=y, z=0.0)
    return message


def _coefficients(message) -> np.ndarray:
    """(51,) coefficients of a ClassificationList with the names as labels."""
    from mediapipe.tasks.python.components.containers.category import Category

    return by_name(
        [Category(index=c.index, score=c.score, category_name=c.label) for c in message.classification]
    )
