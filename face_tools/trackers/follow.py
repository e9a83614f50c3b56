"""Which face: chosen once, then the same person through crossings, gaps and other people."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ..geometry import similarity_matrix
from ..track import TrackError
from .faces import Face
from .schemes import scheme_of

RULES = ("largest", "leftmost", "nearest the centre", "by number")

CHIP = 24  # side of the small upright picture that tells people apart
CHIP_TEMPLATE = np.array([(0.25, 0.3), (0.75, 0.3), (0.7, 0.8), (0.3, 0.8)]) * CHIP  # outer eye corners, mouth corners
SAME_PERSON = 0.55  # correlation of two chips above which they may be one person
REACH = 0.8  # face sizes that a head may move between two frames beyond where it was heading
LEARNING = 0.1  # share of the new frame in the remembered chip


@dataclass(frozen=True)
class Choice:
    """The rule that picks a face in the first frame that has one; `number` counts from the left, 1 is the leftmost."""

    rule: str = "largest"
    number: int = 1

    def pick(self, faces: list[Face], size: tuple[int, int]) -> Face:
        """Raises TrackError where there is no such face."""
        if self.rule == "by number":
            if not 1 <= self.number <= len(faces):
                raise TrackError(f"Face number {self.number} was asked for; the first frame with a face has {len(faces)}.")
            return sorted(faces, key=lambda face: face.box[0])[self.number - 1]
        keys = {
            "largest": lambda face: -_size(face),
            "leftmost": lambda face: face.box[0],
            "nearest the centre": lambda face: np.linalg.norm(_centre(face) - np.array(size) / 2),
        }
        if self.rule not in keys:
            raise TrackError(f"There is no way {self.rule!r} to choose a face; there are {', '.join(RULES)}.")
        return min(faces, key=keys[self.rule])


LARGEST = Choice()


class Follower:
    """Finds one person's face among the faces of each frame.

    Where only one face was ever seen, it is that person, however far it jumps (a cut, a dropped second). Once there were two, a
    face must lie where the person was heading, or look like them.
    """

    def __init__(self, choice: Choice, scheme: str):
        self._choice, self._points = choice, list(scheme_of(scheme).parts[1:])
        self._chip = self._centre = self._velocity = self._face = None
        self._missed, self._alone = 0, True

    def __call__(self, frame: np.ndarray, faces: list[Face]) -> Face | None:
        """The followed face among `faces` of an (H, W, 3) uint8 frame, or None where it is not among them."""
        self._alone = self._alone and len(faces) < 2
        if not faces:
            self._missed += 1
            return None
        if self._face is None:
            face = self._choice.pick(faces, (frame.shape[1], frame.shape[0]))
            return self._take(face, self._look(frame, face))
        if self._alone:
            return self._take(faces[0], self._look(frame, faces[0]))
        chips = [self._look(frame, face) for face in faces]
        rated = [(self._distance(face), self._likeness(chip), chip, face) for face, chip in zip(faces, chips)]
        distance, likeness, chip, face = min(rated, key=lambda r: r[0] + 2 * (1 - r[1]))
        if likeness < SAME_PERSON or (distance > REACH * (1 + self._missed) and likeness < (1 + SAME_PERSON) / 2):
            self._missed += 1
            return None
        return self._take(face, chip)

    def _take(self, face: Face, chip: np.ndarray) -> Face:
        centre = _centre(face)
        step = np.zeros(2) if self._centre is None else (centre - self._centre) / (1 + self._missed)
        self._velocity = step if self._velocity is None else (self._velocity + step) / 2
        mixed = chip if self._chip is None else (1 - LEARNING) * self._chip + LEARNING * chip
        self._chip = mixed / max(np.linalg.norm(mixed), 1e-9)
        self._face, self._centre, self._missed = face, centre, 0
        return face

    def _distance(self, face: Face) -> float:
        """How far from where the person was heading, in face sizes."""
        expected = self._centre + self._velocity * min(1 + self._missed, 5)
        growth = abs(np.log(_size(face) / _size(self._face)))
        return float(np.linalg.norm(_centre(face) - expected) / _size(self._face) + growth)

    def _likeness(self, chip: np.ndarray) -> float:
        """Correlation with the remembered chip, -1..1; 1 where one of them is flat and so says nothing."""
        return float(np.vdot(chip, self._chip)) if chip.any() and self._chip.any() else 1.0

    def _look(self, frame: np.ndarray, face: Face) -> np.ndarray:
        """The face upright at 24 x 24, less its mean, of length 1."""
        matrix = similarity_matrix(face.landmarks[self._points, :2].astype(np.float64), CHIP_TEMPLATE)
        scale = np.hypot(*matrix[0, :2])
        if scale < 0.5:  # shrink without aliasing
            frame = cv2.resize(frame, None, fx=2 * scale, fy=2 * scale, interpolation=cv2.INTER_AREA)
            matrix = matrix * [[1 / (2 * scale), 1 / (2 * scale), 1]]
        chip = cv2.warpAffine(frame, matrix, (CHIP, CHIP), borderMode=cv2.BORDER_REPLICATE).astype(np.float32)
        chip -= chip.mean()
        return chip / max(np.linalg.norm(chip), 1e-9)


def _centre(face: Face) -> np.ndarray:
    return (face.box[:2] + face.box[2:]) / 2


def _size(face: Face) -> float:
    """Geometric mean of the sides of its box."""
    return float(np.sqrt(max(np.prod(face.box[2:] - face.box[:2]), 1e-6)))
