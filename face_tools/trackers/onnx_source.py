"""The official HelloMeme ONNX models as a tracker: detector, 222 landmarks, 3DMM head pose, ARKit
coefficients, in one pass.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec

import numpy as np

from ..coefficients import ORDER_FILE, CoefficientOrder, from_network_order, network_order
from ..track import FaceTrack
from .faces import Detection, Face, ModelFiles
from .head_pose import focal_length
from .one_euro import LandmarkSmoother
from .onnx_detector import FILE as DETECTOR_FILE
from .onnx_detector import FaceDetector
from .onnx_face import (
    COEFFICIENT_FILE,
    FACE_SIZE,
    LANDMARK_FILE,
    LANDMARK_SIZE,
    OUTLINE_ENDS,
    POSE_FILE,
    UPRIGHT_MARGIN,
    CoefficientNet,
    Cut,
    LandmarkNet,
    Landmarks,
    PoseNet,
    cut_around_box,
    eye_angle,
    pose_cut,
    take,
    upright_cut,
)
from .onnx_session import provider_note
from .tiles import overlap

FILES = (DETECTOR_FILE, LANDMARK_FILE, POSE_FILE, COEFFICIENT_FILE)
PAGE = "https://huggingface.co/songkey/hello_group_facemodel"
NAME = "hello-onnx"
NAMED_BY = "The network's coefficients are named by"
BATCH = 16  # faces that wait for the pose and coefficient networks; only their two 224 px crops are kept

# The official rule drops a track at a probability below 0.0001
# (never) or a side below 96 px (small faces, always).
MIN_PROBABILITY, MIN_SIDE = 0.1, 16
SAME_FACE = 0.12  # overlap above which two tracks are one face; the larger one is kept (official value)


def missing(models: ModelFiles) -> str | None:
    """Return the reason why this source cannot run here, or None."""
    if reason := models.explain(FILES, PAGE):
        return reason
    if find_spec("onnxruntime") is None:
        return "The ONNX face models need the package onnxruntime (or onnxruntime-gpu, never both) in ComfyUI's Python."
    return None


def open_source(models: ModelFiles) -> "OnnxSource":
    """Load the four networks."""
    detector, landmarks, pose, coefficients = (models.there(name) for name in FILES)
    order = network_order(models.path(ORDER_FILE))
    return OnnxSource(detector, landmarks, pose, coefficients, order)


def named_otherwise(track: FaceTrack, order: CoefficientOrder) -> str | None:
    """Return a warning for a track of this source whose coefficients were named
    with another order than `order`, otherwise None.

    The coefficients of such a track would be passed to the networks at wrong positions.
    """
    named = [note for note in track.notes if note.startswith(NAMED_BY)]
    if track.source != NAME or not named or any(order.label in note for note in named):
        return None
    return f"{named[0]} Now in force is {order.label}: track the video again."


@dataclass
class Tracked:
    """A face that is being followed."""

    box: np.ndarray
    width: float  # scale of its motion for the smoother, pixels
    points: np.ndarray | None = None
    probability: float = 0.0
    smoother: LandmarkSmoother = field(default_factory=LandmarkSmoother)

    def next_cut(self) -> Cut:
        """Return the first crop for the landmark network in the next frame."""
        if self.points is None:
            return cut_around_box(self.box, LANDMARK_SIZE, UPRIGHT_MARGIN)
        return upright_cut(self.points, LANDMARK_SIZE)

    def follow(self, seen: Landmarks) -> None:
        """Update the face with the landmarks of the next frame."""
        self.points = self.smoother(seen.points, self.width)
        self.probability = seen.probability
        self.box = np.concatenate([self.points.min(0), self.points.max(0)])
        # A turned face looks narrower. Its width is scaled up, by
        # a factor of two at 18 degrees (official rule).
        turned = np.rad2deg(abs(seen.pitch) + 0.6 * abs(seen.yaw))
        self.width = np.linalg.norm(np.subtract(*self.points[list(OUTLINE_ENDS)])) * (1 + turned / 18)

    def lost(self, size: tuple[int, int]) -> bool:
        """Whether the networks no longer find a face, it is too small, or
        its centre has left the frame (width, height).
        """
        low, high = self.box[:2], self.box[2:4]
        middle = (low + high) / 2
        outside = np.any(middle < 0) or np.any(middle >= size)
        return self.probability < MIN_PROBABILITY or min(high - low) < MIN_SIDE or bool(outside)


@dataclass(frozen=True)
class Sighting:
    """A face with known landmarks whose pose and coefficients are still to be read from two crops."""

    points: np.ndarray
    pose: Cut
    pose_picture: np.ndarray  # RGB
    upright_picture: np.ndarray  # BGR


class OnnxSource:
    """Tracker (see `faces.Source`).

    The detector runs only while a face is missing; pose and coefficients run in batches of frames.
    """

    name = NAME
    scheme = "hello222"
    gives_coefficients = True
    pitch_zero = 0.0  # the networks were trained with this tracker's own zero

    def __init__(self, detector: str, landmarks: str, pose: str, coefficients: str, order: CoefficientOrder):
        self.detector = FaceDetector(detector)
        self.landmarks = LandmarkNet(landmarks)
        self.pose = PoseNet(pose)
        self.coefficients = CoefficientNet(coefficients)
        self.order = order
        nets = [self.detector.net, self.landmarks.net, self.pose.net, self.coefficients.net]
        self.notes = (provider_note(nets), f"{NAMED_BY} {order.label}.")
        if not order.measured:
            self.notes += (
                "As long as that order is an assumption the coefficients drive exactly as published, but an edit by name may reach "
                "another one; `python run.py calibrate CLIP` measures the order.",
            )

    def track(self, frames: Iterable[np.ndarray]) -> Iterator[list[Face]]:
        tracked: list[Tracked] = []
        most = 1
        waiting: list[list[Sighting]] = []
        size: tuple[int, int] | None = None
        for frame in frames:
            size = frame.shape[1], frame.shape[0]
            bgr = np.ascontiguousarray(frame[..., ::-1])
            tracked = self.follow(bgr, tracked, most)
            most = max(most, len(tracked))
            waiting.append([self.sight(frame, bgr, face) for face in tracked])
            if sum(map(len, waiting)) >= BATCH or len(waiting) >= BATCH:
                yield from self.read(waiting, size)
                waiting = []
        yield from self.read(waiting, size)

    def glance(self, frame: np.ndarray) -> list[Face]:
        return next(self.track([frame]))

    def detect(self, frame: np.ndarray) -> list[Detection]:
        bgr = np.ascontiguousarray(frame[..., ::-1])
        boxes = self.detector.detect(bgr)
        faces = (
            self.landmarks(bgr, [cut_around_box(box, LANDMARK_SIZE, UPRIGHT_MARGIN) for box in boxes])
            if len(boxes)
            else ()
        )
        return [Detection(box[:4], -eye_angle(face.points), float(box[4])) for box, face in zip(boxes, faces)]

    def follow(self, bgr: np.ndarray, tracked: list[Tracked], most: int) -> list[Tracked]:
        """Return the faces of the next frame: those that continue, and new ones if there are fewer than
        `most`, the largest number so far.
        """
        tracked = self.refine(bgr, tracked)
        if len(tracked) >= most:
            return tracked
        new = [
            Tracked(box[:4], width=float(np.linalg.norm(box[2:4] - box[:2])))
            for box in self.detector(bgr)
            if not any(overlap(face.box, box[:4]) > SAME_FACE for face in tracked)
        ]
        return tracked + self.refine(bgr, new, tracked)

    def refine(self, bgr: np.ndarray, faces: list[Tracked], others: Sequence[Tracked] = ()) -> list[Tracked]:
        """Return `faces` with their landmarks in this frame, without those that are lost or have moved
        onto one of the `others`.
        """
        if not faces:
            return []
        for face, seen in zip(faces, self.landmarks(bgr, [face.next_cut() for face in faces])):
            face.follow(seen)
        kept: list[Tracked] = []
        for face in sorted(faces, key=lambda face: -np.prod(face.box[2:4] - face.box[:2])):
            double = any(overlap(face.box, other.box) > SAME_FACE for other in (*others, *kept))
            if not face.lost((bgr.shape[1], bgr.shape[0])) and not double:
                kept.append(face)
        return kept

    def sight(self, rgb: np.ndarray, bgr: np.ndarray, face: Tracked) -> Sighting:
        assert face.points is not None, "a face that was followed has landmarks"
        cut = pose_cut(face.points)
        upright = take(bgr, upright_cut(face.points, FACE_SIZE), FACE_SIZE)
        return Sighting(face.points, cut, take(rgb, cut, FACE_SIZE), upright)

    def read(self, waiting: list[list[Sighting]], size: tuple[int, int] | None) -> Iterator[list[Face]]:
        """Read pose and coefficients of all waiting faces, and yield the faces frame by frame."""
        seen = [sighting for row in waiting for sighting in row]
        if seen and size is not None:
            pictures, cuts = [s.pose_picture for s in seen], [s.pose for s in seen]
            rotations, translations = self.pose(pictures, cuts, size, focal_length(size))
            raw = self.coefficients([s.upright_picture for s in seen])
            named = from_network_order(raw, self.order)
        index = 0
        for row in waiting:
            stop = index + len(row)
            yield [
                Face(s.points.astype(np.float32), rotations[i], translations[i], named[i])
                for i, s in zip(range(index, stop), row)
            ]
            index = stop

    def close(self) -> None:
        """Free the networks."""
        del self.detector, self.landmarks, self.pose, self.coefficients

    def __enter__(self) -> "OnnxSource":
        return self

    def __exit__(self, *exc) -> None:
        self.close()
