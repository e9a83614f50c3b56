"""Selects the face to track: chosen once, then the same person
through crossings, cuts, gaps and other people.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..opencv import cv2
from ..track_errors import ChoiceError, CutError, TrackSettingError
from .faces import Face
from .schemes import scheme_of
from .tiles import overlap

RULES = ("largest", "leftmost", "nearest the centre", "by number")

ON_CUT = ("follow", "stop", "hold")

CHIP = 24  # side of the small upright picture by which people are distinguished
# Positions of the outer eye corners and mouth corners in it, x + iy.
CHIP_TEMPLATE = [CHIP * place for place in (0.25 + 0.3j, 0.75 + 0.3j, 0.7 + 0.8j, 0.3 + 0.8j)]
# Correlation with the most similar stored chip. On 13 real clips and 32 pictures the same person two seconds
# later is above ALIKE in 98 % of the cases, a different person in 1.8 %. STEADY, which 9 % of different
# people exceed, suffices for a face that continues at its position.
ALIKE, STEADY = 0.7, 0.6
CLOSE = 0.1  # difference of two correlations that is not significant
# Chips per person; similarity of all stored chips below which another is stored.
REMEMBERED, NEW_LOOK = 12, 0.9
REACH = 0.8  # distance, in face sizes, that a head may deviate from its expected position between two frames
# A lone face none of whose landmarks moved farther than this part of its size is the person of the frame
# before: no two people's landmarks are that similar. Its appearance is compared at this interval of frames.
STILL, COMPARE = 0.03, 4


@dataclass(frozen=True)
class Choice:
    """The rule that selects a face in the first frame with a face. number: from the left, 1 = leftmost."""

    rule: str = "largest"
    number: int = 1

    def pick(self, faces: list[Face], size: tuple[int, int]) -> Face:
        """Return the selected face. Raises TrackError if there is no such face."""
        if self.rule == "by number":
            if not 1 <= self.number <= len(faces):
                raise TrackSettingError(
                    f"Face number {self.number} was asked for; the first frame with a face has {len(faces)}.",
                    "face_number",
                    self.number,
                )
            return sorted(faces, key=lambda face: face.box[0])[self.number - 1]
        keys = {
            "largest": lambda face: -_size(face),
            "leftmost": lambda face: face.box[0],
            "nearest the centre": lambda face: np.linalg.norm(_centre(face) - np.array(size) / 2),
        }
        if self.rule not in keys:
            raise ChoiceError("rule for choosing a face", self.rule, RULES)
        return min(faces, key=keys[self.rule])


LARGEST = Choice()


class Looks:
    """Appearance of one or several people: their most recent chips that differ from one another."""

    def __init__(self):
        self._chips = np.zeros((0, 3 * CHIP**2), np.float32)

    def likeness(self, chip: np.ndarray) -> float:
        """Correlation with the most similar stored chip, -1..1; -1
        if there is none, 1 if either chip is uniform.
        """
        if not len(self._chips):
            return -1.0
        # Every chip is like a uniform one, so no other is ever stored beside it.
        if not (chip.any() and self._chips[0].any()):
            return 1.0
        return float((self._chips @ chip.ravel()).max())

    def add(self, chip: np.ndarray) -> None:
        if self.likeness(chip) < NEW_LOOK:
            self._chips = np.concatenate([self._chips, chip.reshape(1, -1)])[-REMEMBERED:]


@dataclass(frozen=True)
class Candidate:
    """A face in the current frame.

    own, other: likeness to the followed person and to others; distance: in face sizes.
    """

    face: Face
    chip: np.ndarray
    own: float
    other: float
    distance: float


class Follower:
    """Finds one person's face among the faces of each frame.

    Candidates are filtered by likeness, then selected by distance. A new face in place of the person is a cut
    to another person.
    on_cut: "follow" the new person, "hold" (the person is absent), or "stop".

    cuts:    frames at which the track continues with another person
    foreign: frames that show another person while the followed one is absent, with "hold"
    """

    def __init__(self, choice: Choice, scheme: str, on_cut: str = "follow"):
        if on_cut not in ON_CUT:
            raise ChoiceError("way to treat a cut", on_cut, ON_CUT)
        self._choice, self._points, self._on_cut = choice, list(scheme_of(scheme).parts[1:]), on_cut
        self._person, self._others = Looks(), Looks()
        self._centre: np.ndarray | None = None
        self._velocity: np.ndarray | None = None
        self._face: Face | None = None
        self._missed, self._frame = 0, -1
        self._compared = 0  # frame of the last comparison of appearances
        self.cuts: list[int] = []
        self.foreign: list[int] = []

    def __call__(self, frame: np.ndarray, faces: list[Face]) -> Face | None:
        """Return the followed face among `faces` of an (H, W, 3)
        uint8 frame, or None if it is not among them.
        """
        self._frame += 1
        if not faces:
            return self._miss()
        if len(faces) == 1 and self._frame < self._compared + COMPARE and self._is_still(faces[0]):
            return self._move(faces[0])
        self._compared = self._frame
        candidates = [self._candidate(frame, face) for face in faces]
        if self._face is None:
            first = self._choice.pick(faces, (frame.shape[1], frame.shape[0]))
            return self._take(next(one for one in candidates if one.face is first), candidates)
        alike = [one for one in candidates if self._is_person(one)]
        if alike:
            best = max(one.own for one in alike)
            alike = [one for one in alike if one.own >= best - CLOSE]
            return self._take(min(alike, key=lambda one: one.distance), candidates)
        strangers = [one for one in candidates if one.other < ALIKE]
        return self._cut(frame, strangers, candidates) if strangers else self._miss()

    def _is_still(self, face: Face) -> bool:
        """Whether the person was in the previous frame, and no landmark has moved noticeably since."""
        if self._face is None or self._missed:
            return False
        moved = np.abs(face.landmarks[:, :2] - self._face.landmarks[:, :2]).max()
        return bool(moved < STILL * _size(face))

    def _is_person(self, one: Candidate) -> bool:
        """Whether the candidate looks like the person, and not more like somebody seen beside the person."""
        steady = self._missed == 0 and one.distance <= REACH
        return one.own >= (STEADY if steady else ALIKE) and one.own >= one.other - CLOSE

    def _cut(self, frame: np.ndarray, strangers: list[Candidate], candidates: list[Candidate]) -> Face | None:
        if self._on_cut == "stop":
            raise CutError(
                f"The clip shows another person from frame {self._frame} on (counted from 0). "
                'Trim it there, or set on_cut to "follow" or "hold".',
                self._frame,
            )
        if self._on_cut == "hold":
            self.foreign.append(self._frame)
            return self._miss()
        self.cuts.append(self._frame)
        self._person, self._others = Looks(), Looks()
        self._centre = self._velocity = None
        rule = LARGEST if self._choice.rule == "by number" else self._choice
        new = rule.pick([one.face for one in strangers], (frame.shape[1], frame.shape[0]))
        return self._take(next(one for one in strangers if one.face is new), candidates)

    def _miss(self) -> None:
        self._missed += 1

    def _take(self, taken: Candidate, candidates: list[Candidate]) -> Face:
        self._person.add(taken.chip)
        for one in candidates:
            if overlap(one.face.box, taken.face.box) == 0:
                self._others.add(one.chip)
        return self._move(taken.face)

    def _move(self, face: Face) -> Face:
        """Store the position of the person's face in this frame."""
        centre = _centre(face)
        step = np.zeros(2) if self._centre is None else (centre - self._centre) / (1 + self._missed)
        self._velocity = step if self._velocity is None else (self._velocity + step) / 2
        self._face, self._centre, self._missed = face, centre, 0
        return face

    def _candidate(self, frame: np.ndarray, face: Face) -> Candidate:
        chip = self._look(frame, face)
        distance = self._distance(face)
        return Candidate(face, chip, self._person.likeness(chip), self._others.likeness(chip), distance)

    def _distance(self, face: Face) -> float:
        """Distance from the person's expected position and size, in face sizes; 0 before the first face."""
        if self._face is None or self._centre is None or self._velocity is None:
            return 0.0
        expected = self._centre + self._velocity * min(1 + self._missed, 5)
        growth = abs(np.log(_size(face) / _size(self._face)))
        return float(np.linalg.norm(_centre(face) - expected) / _size(self._face) + growth)

    def _look(self, frame: np.ndarray, face: Face) -> np.ndarray:
        """Return the face upright at 24 x 24 pixels, minus its mean, of length 1."""
        turn, shift = _similarity(face.landmarks[self._points, :2], CHIP_TEMPLATE)
        part, shift = _around(frame, turn, shift)
        while abs(turn) <= 0.5 and min(part.shape[:2]) > 1:  # shrink without aliasing
            height, width = (side // 2 for side in part.shape[:2])
            part = cv2.resize(part[: 2 * height, : 2 * width], (width, height), interpolation=cv2.INTER_AREA)
            turn *= 2
        matrix = np.array([(turn.real, -turn.imag, shift.real), (turn.imag, turn.real, shift.imag)])
        chip = cv2.warpAffine(part, matrix, (CHIP, CHIP), borderMode=cv2.BORDER_REPLICATE).astype(np.float32)
        chip -= chip.mean()
        return chip / max(np.linalg.norm(chip), 1e-9)


def _similarity(source: np.ndarray, target: Sequence[complex]) -> tuple[complex, complex]:
    """Least-squares similarity z -> turn * z + shift from points
    (N, 2) to `target`, as complex numbers x + iy.

    Python's complex numbers are faster than the general fit: this runs once per face and frame.
    """
    points = [complex(x, y) for x, y in source.tolist()]
    middle, aim = sum(points) / len(points), sum(target) / len(target)
    spread = sum(abs(point - middle) ** 2 for point in points)
    turn = sum((point - middle).conjugate() * (to - aim) for point, to in zip(points, target))
    turn = turn / max(spread, 1e-9) or complex(1e-9)
    return turn, aim - turn * middle


def _around(frame: np.ndarray, turn: complex, shift: complex) -> tuple[np.ndarray, complex]:
    """Return the part of the frame that a chip shows, and the shift
    of the similarity from that part to the chip.
    """
    height, width = frame.shape[:2]
    middle = (complex(CHIP / 2, CHIP / 2) - shift) / turn
    # Half the side of the square around the rotated chip, and a margin for the interpolation.
    reach = 0.55 * CHIP * (abs(turn.real) + abs(turn.imag)) / abs(turn) ** 2
    x0 = int(min(max(middle.real - reach, 0), width - 1))
    y0 = int(min(max(middle.imag - reach, 0), height - 1))
    x1, y1 = int(max(middle.real + reach, x0 + 1)), int(max(middle.imag + reach, y0 + 1))
    return frame[y0:y1, x0:x1], shift + turn * complex(x0, y0)


def _centre(face: Face) -> np.ndarray:
    return (face.box[:2] + face.box[2:]) / 2


def _size(face: Face) -> float:
    """Geometric mean of the sides of the face's box."""
    x0, y0, x1, y1 = face.box.tolist()
    return max((x1 - x0) * (y1 - y0), 1e-6) ** 0.5
