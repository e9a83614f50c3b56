"""Real pairs of landmarks and coefficients: clips tracked by MediaPipe's mesh and by its Face Landmarker."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...face_tools import video
from ...face_tools.geometry import similarity
from ...face_tools.opencv import cv2
from ...face_tools.trackers import mediapipe_mesh, mediapipe_tasks, sources
from ...face_tools.trackers.faces import Face, ModelFiles, Source
from ...face_tools.trackers.template import RIGID_CM, RIGID_POINTS
from ..errors import TrainDataError

CLIPS = (".mp4", ".mov", ".mkv", ".webm", ".avi")
PICTURES = (".png", ".jpg", ".jpeg", ".webp")
APART = 0.2  # distance of the two trackers' faces, in face widths, above which they are two people


@dataclass(frozen=True)
class Pairs:
    """F frames of one clip, or one picture, in which both trackers found the same face.

    name:          file name without its extension
    mesh, task:    (F, 478, 3) landmarks of FaceMesh and of the Face Landmarker, pixels
    coefficients:  (F, 51) of the Face Landmarker
    """

    name: str
    mesh: np.ndarray
    task: np.ndarray
    coefficients: np.ndarray

    def __len__(self) -> int:
        return len(self.coefficients)

    @property
    def person(self) -> str:
        """Name of the person.

        Clips with names that differ only in a number at the end (ann1, ann2) show one person.
        """
        return self.name.rstrip("0123456789")


def read(folder: Path, models: ModelFiles, tell: Callable[[str], None]) -> list[Pairs]:
    """Track a folder's clips and pictures.

    Raises TrainDataError for too few people, TrackError without trackers.
    """
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in CLIPS + PICTURES)
    found: list[Pairs] = []
    with ExitStack() as opened:
        names = mediapipe_mesh.NAME, mediapipe_tasks.NAME
        mesh, task = (opened.enter_context(sources.open_source(name, models)) for name in names)
        for path in files:
            pairs = _pairs(path.stem, _frames(path), mesh, task)
            tell(f"{path.name}: {len(pairs)} frames")
            found += [pairs] if len(pairs) else []
    people = {pairs.person for pairs in found if len(pairs) > 1}
    if len(people) < 2:
        raise TrainDataError(
            f"{folder} has clips ({', '.join(CLIPS)}) of {len(people)} people; it needs 2.", folder
        )
    return found


def _frames(path: Path) -> list[np.ndarray]:
    if path.suffix.lower() in CLIPS:
        return list(video.frames(path))
    return [np.ascontiguousarray(cv2.imread(str(path))[..., ::-1])]


def _pairs(name: str, frames: Sequence[np.ndarray], mesh: Source, task: Source) -> Pairs:
    rows = list(_same_face(mesh.track(iter(frames)), task.track(iter(frames))))
    a, b = (np.array([row[k].landmarks for row in rows], np.float32).reshape(-1, 478, 3) for k in (0, 1))
    return Pairs(name, a, b, np.array([row[1].coefficients for row in rows], np.float32).reshape(-1, 51))


def _same_face(mesh: Iterator[list[Face]], task: Iterator[list[Face]]) -> Iterator[tuple[Face, Face]]:
    """Yield the largest face of each frame by both trackers; frames in which they disagree are skipped."""
    for ours, theirs in zip(mesh, task, strict=True):
        wanted = max(theirs, key=_width, default=None)
        if wanted is None or not ours:
            continue
        nearest = min(ours, key=lambda face: _apart(face, wanted))
        if _apart(nearest, wanted) < APART * _width(wanted):
            yield nearest, wanted


def _width(face: Face) -> float:
    return float(face.box[2] - face.box[0])


def _apart(a: Face, b: Face) -> float:
    return float(np.linalg.norm((a.landmarks - b.landmarks)[:, :2], axis=1).mean())


def upright(landmarks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Convert (F, 478, 3) landmarks, pixels, to heads that look
    straight ahead (cm, y up) and rotations (F, 3, 3).
    """
    heads, rotations = np.empty_like(landmarks), np.empty((len(landmarks), 3, 3), np.float32)
    for k, points in enumerate(landmarks * np.float32([1, -1, -1])):
        scale, rotation, shift = similarity(RIGID_CM, points[list(RIGID_POINTS)], np.ones(len(RIGID_POINTS)))
        heads[k], rotations[k] = (points - shift) @ rotation / scale, rotation
    return heads, rotations
