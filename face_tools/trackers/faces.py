"""The result of a tracker for one frame, and the interface of all trackers."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol, runtime_checkable

import numpy as np

from ..geometry import bounding_box, rotation_matrix, wrapped


@dataclass(frozen=True)
class Detection:
    """One face found by a face detector alone.

    box:    (4,) x0 y0 x1 y1, pixels
    roll:   radians, as in `Face.rotation`
    score:  0..1; for a given face it is highest if the face is upright in the picture
    """

    box: np.ndarray
    roll: float
    score: float

    def turned_back(self, turn: int, size: tuple[int, int]) -> "Detection":
        """Convert a detection in a picture rotated counter-clockwise by `turn` quarter turns to the
        unrotated (width, height) picture.
        """
        corners = turned_back(self.box.reshape(2, 2), turn, size)
        box = np.concatenate([corners.min(0), corners.max(0)])
        return Detection(box, float(wrapped(self.roll - turn * np.pi / 2)), self.score)


def turned_back(points: np.ndarray, turn: int, size: tuple[int, int]) -> np.ndarray:
    """Convert (N, 2) points of a picture rotated counter-clockwise by `turn` quarter turns to the
    unrotated (width, height) picture.
    """
    back = rotation_matrix([0, 0, -turn * np.pi / 2])
    middle = np.array(size) / 2
    return (points - (middle if turn % 2 == 0 else middle[::-1])) @ back[:2, :2] + middle  # y down


@dataclass(frozen=True)
class Face:
    """One face in one frame.

    landmarks:     (P, D) float32, D = 2 or 3; x right, y down, pixels of the frame; z on the scale of x,
      smaller is nearer
    rotation:      (3,) float32 radians (pitch, yaw, roll) as in FaceTrack; None only until the tracker has
      computed it
    translation:   (3,) float32 in the whole frame, for `head_pose.focal_length(size)`; None together with
      `rotation`
    coefficients:  (51,) float32 in the order of `coefficients.ARKIT_51`; None if the source gives none
    score:         0..1 of the detector, None if the detector was not run
    misfit:        centimetres between the landmarks and the rigid head at this pose; 0 if the tracker
      measures the pose itself
    """

    landmarks: np.ndarray
    rotation: np.ndarray | None = None
    translation: np.ndarray | None = None
    coefficients: np.ndarray | None = None
    score: float | None = None
    misfit: float = 0.0

    @cached_property
    def box(self) -> np.ndarray:
        """(4,) x0 y0 x1 y1 of the landmarks."""
        return bounding_box(self.landmarks)

    @property
    def angles(self) -> np.ndarray:
        """The rotation of a face with a known head pose."""
        assert self.rotation is not None
        return self.rotation

    @property
    def roll(self) -> float:
        """Roll of the head pose, radians."""
        return float(self.angles[2])

    @property
    def detection(self) -> Detection:
        """The posed face as a detection, with score 1 if the detector was not run."""
        return Detection(self.box, self.roll, 1.0 if self.score is None else self.score)

    def moved(self, scale: float, x: float, y: float) -> "Face":
        """Convert a face of a zoomed part to pixels of the whole frame: scale, then shift by (x, y)."""
        landmarks = self.landmarks * np.float32(scale)
        landmarks[:, :2] += np.array([x, y], np.float32)
        return replace(self, landmarks=landmarks)

    def turned_back(self, turn: int, size: tuple[int, int]) -> "Face":
        """Convert a posed face in a picture rotated counter-clockwise by `turn` quarter turns to the
        unrotated (width, height) picture.
        """
        if turn % 4 == 0:
            return self
        landmarks = self.landmarks.copy()
        landmarks[:, :2] = turned_back(landmarks[:, :2], turn, size)
        rotation = self.angles.copy()
        rotation[2] = wrapped(rotation[2] - turn * np.pi / 2)
        back = rotation_matrix([0, 0, -turn * np.pi / 2])
        assert self.translation is not None, "a posed face has both"
        translation = (back @ self.translation).astype(np.float32)
        return replace(self, landmarks=landmarks, rotation=rotation, translation=translation)

    def posed(self, rotation: np.ndarray, translation: np.ndarray, misfit: float = 0.0) -> "Face":
        """Return the face with its head pose."""
        return replace(self, rotation=rotation, translation=translation, misfit=misfit)


@runtime_checkable
class Source(Protocol):
    """A tracker.

    Its module has `missing(models) -> str | None` and `open_source(models) -> Source`; see `sources.py`.
    """

    name: str  # stored in every track; reference and driver must have the same one
    scheme: str  # landmark scheme: "mediapipe478" or "hello222"
    gives_coefficients: bool
    notes: tuple[str, ...]  # messages for the user: the provider in use, experimental values
    pitch_zero: float  # radians of its own pitch at a straight look, see `straight_look`

    def track(self, frames: Iterable[np.ndarray]) -> Iterator[list[Face]]:
        """Yield one list of faces for each frame (H, W, 3) uint8 RGB, in order; empty if no face was found.

        May read a few frames ahead to work in batches, and keeps no more than those.
        One call is one clip; no state remains after it.
        """
        ...

    def glance(self, frame: np.ndarray) -> list[Face]:
        """Return the faces of a single frame; may be called while a clip is being tracked."""
        ...

    def close(self) -> None:
        """Free the networks. A source is also a context manager that closes itself."""
        ...

    def __enter__(self) -> "Source": ...

    def __exit__(self, *exc) -> None: ...


@runtime_checkable
class Detects(Protocol):
    """A source whose detector can run alone, at a fraction of the cost of `glance`."""

    def detect(self, frame: np.ndarray) -> list[Detection]:
        """Return the faces of one whole frame, without a search in
        tiles; may be called while a clip is being tracked.
        """
        ...


def detections(source: Source, frame: np.ndarray) -> list[Detection]:
    """Return the faces of one frame by the source's detector; by `glance` if it has no separate detector."""
    if isinstance(source, Detects):
        return source.detect(frame)
    return [face.detection for face in source.glance(frame)]


@dataclass(frozen=True)
class ModelFiles:
    """The folders that are searched for model files, in order."""

    folders: tuple[str, ...] = ()

    def path(self, name: str) -> str | None:
        """Return the path of the first file called `name`, or None."""
        paths = (os.path.join(folder, name) for folder in self.folders)
        return next((path for path in paths if os.path.isfile(path)), None)

    def there(self, name: str) -> str:
        """Return the path of a file that exists, as `explain` has checked."""
        path = self.path(name)
        assert path is not None, name
        return path

    def explain(self, names: Iterable[str], page: str) -> str | None:
        """Return an error message that lists the missing files among `names`, their folders and download
        page; None if none is missing.
        """
        absent = [f'"{name}"' for name in names if self.path(name) is None]
        if not absent:
            return None
        places = " or ".join(self.folders) or "models/face_tools"
        verb = "was" if len(absent) == 1 else "were"
        return f"{', '.join(absent)} {verb} not found. Put into {places}. Download: {page} (nothing is downloaded automatically)."
