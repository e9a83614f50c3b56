"""The official networks for one face (222 landmarks, 3DMM head pose, 51
ARKit coefficients) and the crops that they take.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..geometry import transform
from ..opencv import cv2
from ..track_errors import UnusableTrackerError
from .onnx_session import OnnxNet

LANDMARK_FILE, POSE_FILE, COEFFICIENT_FILE = (
    "hello_face_landmark.onnx",
    "hello_3dmm.onnx",
    "hello_arkit_blendshape.onnx",
)
POINTS = 222
# The outer corners, image-left and image-right: the line through them is level in an upright crop.
EYE_CORNERS = (74, 96)
OUTLINE_ENDS = (0, 32)
# Fraction of the crop that stays free beside the longer side of the landmarks.
UPRIGHT_MARGIN, POSE_MARGIN = 0.15, 0.35
LANDMARK_SIZE = 128
FACE_SIZE = 224  # of the pose and the coefficient network
ITERATIONS = 3
# hello_3dmm returns 526 identity, 203 expression and 439 texture numbers, 3
# angles, 27 lighting numbers, then the translation.
ANGLES = slice(526 + 203 + 439, 526 + 203 + 439 + 3)
TRANSLATION = slice(ANGLES.stop + 27, ANGLES.stop + 27 + 3)
FOCAL_LENGTH = 5.0 / 0.4 * 386.2879122887948  # pixels of the 224 px crop: 4828.6


@dataclass(frozen=True)
class Cut:
    """A square crop around a face, unrotated or rotated upright.

    matrix: (2, 3) from frame to crop
    scale:  pixels of the crop per pixel of the frame
    centre: (2,) centre of the landmarks' box in the frame
    """

    matrix: np.ndarray
    scale: float
    centre: np.ndarray


def cut_around_box(box: np.ndarray, size: int, margin: float) -> Cut:
    """Return the unrotated crop of size x size pixels around a box x0 y0 x1 y1."""
    return cut_around(np.asarray(box[:4], dtype=np.float64).reshape(2, 2), size, margin, angle=0.0)


def cut_around(points: np.ndarray, size: int, margin: float, angle: float) -> Cut:
    """Return the centred crop in which `points` (P, 2), rotated by
    -`angle` radians, fill 1 - margin of the longer side.
    """
    low, high = points.min(0), points.max(0)
    centre = (low + high) / 2
    c, s = np.cos(angle), np.sin(angle)
    turn = np.array([[c, s], [-s, c]])
    turned = (points - centre) @ turn.T
    low, high = turned.min(0), turned.max(0)
    scale = size * (1 - margin) / max(*(high - low), 1e-6)
    shift = size / 2 - scale * ((low + high) / 2 + turn @ centre)
    return Cut(np.column_stack([scale * turn, shift]), float(scale), centre)


def eye_angle(points: np.ndarray) -> float:
    """Roll of the eye line in the picture, radians, from landmarks (222, 2)."""
    dx, dy = points[EYE_CORNERS[1]] - points[EYE_CORNERS[0]]
    return float(np.arctan2(dy, dx))


def take(bgr: np.ndarray, cut: Cut, size: int) -> np.ndarray:
    """Crop (H, W, 3) uint8 to (size, size, 3) uint8. A face that is more than
    twice too large is first shrunk by averaging.
    """
    matrix = cut.matrix
    if cut.scale < 0.5:
        reach = size / cut.scale  # the crop's corners are 0.71 of its side from its centre
        x, y = cv2.invertAffineTransform(matrix) @ (size / 2, size / 2, 1)
        x0, y0 = max(int(x - reach), 0), max(int(y - reach), 0)
        region = bgr[y0 : int(y + reach), x0 : int(x + reach)]
        width, height = (max(round(2 * cut.scale * n), 1) for n in region.shape[1::-1])
        bgr = cv2.resize(region, (width, height), interpolation=cv2.INTER_AREA)
        kx, ky = region.shape[1] / width, region.shape[0] / height
        # pixel centres of the shrunk picture: frame = k * (small + 0.5) - 0.5 + origin
        origin = np.array([x0 + (kx - 1) / 2, y0 + (ky - 1) / 2])
        matrix = np.column_stack([matrix[:, :2] * (kx, ky), matrix[:, 2] + matrix[:, :2] @ origin])
    return cv2.warpAffine(bgr, matrix, (size, size))


def to_input(pictures: list[np.ndarray] | np.ndarray) -> np.ndarray:
    """Convert N pictures (S, S, 3) uint8 to (N, 3, S, S) float32 in 0..1."""
    return np.stack(list(pictures)).transpose(0, 3, 1, 2).astype(np.float32) / 255


@dataclass(frozen=True)
class Landmarks:
    """points: (222, 2) pixels of the frame; pitch, yaw: radians; probability: 0..1 that this is a face."""

    points: np.ndarray
    pitch: float
    yaw: float
    probability: float


class LandmarkNet:
    """Finds 222 landmarks by repeated refinement; takes BGR."""

    def __init__(self, path: str):
        self.net = OnnxNet(path).expect(LANDMARK_SIZE, LANDMARK_SIZE, outputs=3)

    def __call__(self, bgr: np.ndarray, cuts: list[Cut]) -> list[Landmarks]:
        """Return the landmarks of each face after three iterations.

        bgr: (H, W, 3) uint8; cuts: the first crop of each face.
        """
        faces = []
        for _ in range(ITERATIONS):
            faces = self.refine(bgr, cuts)
            cuts = [upright_cut(face.points, LANDMARK_SIZE) for face in faces]
        return faces

    def refine(self, bgr: np.ndarray, cuts: list[Cut]) -> list[Landmarks]:
        """One iteration: run the network on each crop and convert the points to the frame."""
        pictures = [take(bgr, cut, LANDMARK_SIZE) for cut in cuts]
        landmarks, angles, probabilities = self.net(to_input(pictures))[:3]
        faces = []
        for cut, row, angle, probability in zip(cuts, landmarks, angles, probabilities):
            points = row.reshape(2, POINTS).T.astype(np.float64) * LANDMARK_SIZE  # first all x, then all y
            points = transform(cv2.invertAffineTransform(cut.matrix), points)
            angle = angle.reshape(-1)
            faces.append(Landmarks(points, float(angle[0]), float(angle[1]), float(np.ravel(probability)[0])))
        return faces


def upright_cut(points: np.ndarray, size: int) -> Cut:
    """Return the crop in which the eye line is level."""
    return cut_around(points, size, UPRIGHT_MARGIN, eye_angle(points))


class PoseNet:
    """Head pose by the 3DMM; takes RGB, unrotated crops."""

    def __init__(self, path: str):
        self.net = OnnxNet(path).expect(FACE_SIZE, FACE_SIZE, outputs=1)

    def __call__(
        self, pictures: list[np.ndarray], cuts: list[Cut], size: tuple[int, int], focal_length: float
    ):
        """Read the poses of N crops (224, 224, 3) uint8 RGB, from frames of `size` (width, height) with
        `focal_length` in pixels.

        Returns rotation (N, 3) radians (pitch, yaw, roll) and translation (N, 3) for the whole frame.
        """
        numbers = self.net(to_input(pictures))[0].reshape(len(pictures), -1)
        if numbers.shape[1] < TRANSLATION.stop:
            raise UnusableTrackerError(
                f"{self.net.path} gives {numbers.shape[1]} numbers a face; expected at least {TRANSLATION.stop}.",
                self.net.path,
            )
        translation = [
            frame_translation(t, cut, size, focal_length)
            for t, cut in zip(numbers[:, TRANSLATION].astype(np.float64), cuts)
        ]
        return numbers[:, ANGLES].astype(np.float32), np.array(translation, dtype=np.float32)


def pose_cut(points: np.ndarray) -> Cut:
    return cut_around(points, FACE_SIZE, POSE_MARGIN, angle=0.0)


def frame_translation(
    t: np.ndarray, cut: Cut, size: tuple[int, int], focal_length: float = FOCAL_LENGTH
) -> np.ndarray:
    """Convert a translation (3,) in a crop with FOCAL_LENGTH to one in the frame
    of `size` (width, height) with `focal_length`.

    With equal focal lengths this is the official crop_transl_to_full_transl: the depth grows as the picture
    shrinks, and the crop's offset from the frame's centre becomes a lateral shift.
    """
    units = -cut.scale * t[2] / FOCAL_LENGTH  # units per frame pixel at the head's depth; t[2] < 0
    x, y = cut.centre - np.array(size) / 2
    return np.array([t[0] + x * units, t[1] - y * units, cut.scale * t[2] * focal_length / FOCAL_LENGTH])


class CoefficientNet:
    """The 51 ARKit coefficients in the network's own order; takes BGR, upright crops."""

    def __init__(self, path: str):
        self.net = OnnxNet(path).expect(FACE_SIZE, FACE_SIZE, outputs=1)

    def __call__(self, pictures: list[np.ndarray]) -> np.ndarray:
        """N upright crops (224, 224, 3) uint8 BGR -> (N, 51) float32."""
        return self.net(to_input(pictures))[0].reshape(len(pictures), -1).astype(np.float32)
