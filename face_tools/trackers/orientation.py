"""Finds the orientation of the faces in a clip.

Face networks know upright faces. The orientation belongs to the clip: it is decided from its first frames by
the detector's score, with a preference for upright, and then kept. Other rotations of a frame are tried only
if no face is found or if the result contradicts the previous frame. A face is never rejected for its shape.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice

import numpy as np

from ..opencv import cv2
from ..track_errors import UnusableTrackerError
from .continuity import Continuity, meets, tilted
from .faces import Detection, Face, Source, detections
from .sanity_checks import POSSIBLE, doubt

TURNS = (0, 1, 3, 2)  # counter-clockwise quarter turns of the picture, most likely first
OPENING = 4  # number of first frames that decide the orientation if one does not suffice
# Scores of 940 upright faces: 0.80, 0.86, 0.94 (1, 5, 50 %); of the same faces upside down 0.85 at most. The
# highest score is right in 97 % of single frames of clips in any orientation; the faces in the other frames
# are too small for the detector.
SURE, LOW, UPRIGHT, LEAD = 0.87, 0.8, 0.05, 0.15
# Frames between two checks of the score in a clip without doubtful frames: at first, and later.
CHECK, SELDOM = 32, 128
# Consecutive frames that are better in another rotation before the clip is tracked in that rotation.
SWITCH = 3

Boxes = list[np.ndarray]


def look(source: Source, frames: Iterable[np.ndarray]) -> Iterator[tuple[np.ndarray, list[Face]]]:
    """Yield every frame with its faces, in order.

    Keeps at most OPENING frames more than the source does. Raises TrackError if
    the source returns fewer results than frames.
    """
    frames = iter(frames)
    upcoming: deque[np.ndarray] = deque()
    watch = Watch(source, *opening_turn(source, frames, upcoming))
    while upcoming:
        yield from _stretch(source, _drain(upcoming, frames), watch)
        upcoming.extend(islice(frames, 1))


def _drain(upcoming: deque[np.ndarray], frames: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    while upcoming:
        yield upcoming.popleft()
    yield from frames


def _stretch(
    source: Source, frames: Iterator[np.ndarray], watch: Watch
) -> Iterator[tuple[np.ndarray, list[Face]]]:
    """Track frames in one rotation, until there are no more or another rotation is better."""
    turn = watch.turn
    waiting: deque[np.ndarray] = deque()

    def turned() -> Iterator[np.ndarray]:
        for frame in frames:
            waiting.append(frame)
            yield _turned(frame, turn)
            if watch.turn != turn:
                return

    for faces in source.track(turned()):
        frame = waiting.popleft()
        yield frame, watch(frame, faces, turn)
    if waiting:
        raise UnusableTrackerError(
            f"The tracker {source.name} gave no answer for the last {len(waiting)} frames.", source.name
        )


def opening_turn(
    source: Source, frames: Iterator[np.ndarray], upcoming: deque[np.ndarray]
) -> tuple[int, int]:
    """Read up to OPENING frames into `upcoming`, until it is clear in which rotation their faces are upright.

    Returns that rotation, and the number of frames until the next check of the score.
    """
    votes: dict[int, float] = dict.fromkeys(TURNS, 0.0)
    candidates = list(TURNS)
    for frame in islice(frames, OPENING):
        upcoming.append(frame)
        for turn in candidates:
            votes[turn] += _best_score(detections(source, _turned(frame, turn)))
            if len(upcoming) == 1 and votes[0] >= SURE:
                return 0, CHECK
        preferred = _preferred(votes)
        candidates = [turn for turn in candidates if preferred[turn] > max(preferred.values()) - LEAD]
        if len(candidates) == 1:
            break
    if any(votes.values()):
        return _winner(votes), 2 * CHECK * len(upcoming)  # the other rotations have just been tried
    turn = _turn_of_small_faces(source, upcoming[0]) if upcoming else 0
    return turn, CHECK


def _turn_of_small_faces(source: Source, frame: np.ndarray) -> int:
    """Return the rotation in which a search in tiles finds the
    face with the highest score; 0 if there is none.
    """
    votes: dict[int, float] = dict.fromkeys(TURNS, 0.0)
    for turn in TURNS:
        votes[turn] = _best_score([face.detection for face in source.glance(_turned(frame, turn))])
        if votes[0] >= SURE:
            break
    return _winner(votes)


def _preferred(votes: dict[int, float], turn: int = 0) -> dict[int, float]:
    """Return the votes, with a bonus for `turn` if any face was found in it."""
    return {t: vote + UPRIGHT * (t == turn and vote > 0) for t, vote in votes.items()}


def _winner(votes: dict[int, float], turn: int = 0) -> int:
    return max(TURNS, key=_preferred(votes, turn).__getitem__)


def _best_score(found: Iterable[Detection]) -> float:
    return max((one.score for one in found if not tilted(one.roll)), default=0.0)


def _turned(frame: np.ndarray, turn: int) -> np.ndarray:
    """Return the frame rotated counter-clockwise, contiguous."""
    if turn == 0:
        return np.ascontiguousarray(frame)
    rotations = {1: cv2.ROTATE_90_COUNTERCLOCKWISE, 2: cv2.ROTATE_180, 3: cv2.ROTATE_90_CLOCKWISE}
    return cv2.rotate(frame, rotations[turn])  # several times as fast as copying np.rot90


class Watch:
    """Checks the tracker's result for each frame.

    turn: the rotation in which the clip is tracked; interval: frames until the first check of the score
    """

    def __init__(self, source: Source, turn: int, interval: int):
        self.turn = turn
        self._source, self._continuity = source, Continuity(source.scheme)
        self._elsewhere = self._missed = (
            0  # frames in a row that were better in another turn, that had no face
        )
        self._interval = self._until_check = interval

    def __call__(self, frame: np.ndarray, faces: list[Face], turn: int) -> list[Face]:
        """Return the faces of a frame, given those that the source found in the picture rotated by `turn`."""
        seen, unconfirmed = self._turned_back(frame, faces, turn), []
        doubted = self._continuity.doubted(seen, turn)
        if seen and not doubted:
            doubted = self._low_scores(frame, seen, turn)
        if doubted or not seen:
            votes = self._votes(frame, seen, turn, doubted)
            unconfirmed = doubted if max(votes.values()) < LOW else []
            seen = self._second_look(frame, seen, turn, doubted, votes)
        self._missed = 0 if seen else self._missed + 1
        self._continuity.accept(seen, unconfirmed)
        return [face for face in seen if doubt(face, self._source.scheme) < POSSIBLE]

    def _low_scores(self, frame: np.ndarray, seen: list[Face], turn: int) -> Boxes:
        """Boxes of faces that the detector does not rate as upright.

        The detector runs at intervals, and for new faces.
        """
        self._until_check -= 1
        if self._until_check > 0 and not self._continuity.has_new(seen):
            return []
        self._until_check = self._interval
        found = self._detections(frame, turn) if seen[0].score is None else [face.detection for face in seen]
        low = [one.box for one in found if one.score < LOW or tilted(one.roll + turn * np.pi / 2)]
        if not low:
            self._interval = min(2 * self._interval, SELDOM)
        return low

    def _votes(self, frame: np.ndarray, seen: list[Face], turn: int, doubted: Boxes) -> dict[int, float]:
        """Return the detector's score in each rotation.

        If a face was found, only a high score speaks for another rotation.
        """
        votes = dict.fromkeys(TURNS, 0.0) | {turn: self._vote(frame, turn, doubted)}
        if votes[turn] < SURE:
            least = LOW if seen else 0.0
            others = {other: self._vote(frame, other, doubted) for other in TURNS if other != turn}
            votes |= {other: vote for other, vote in others.items() if vote >= least}
        return votes

    def _second_look(
        self, frame: np.ndarray, seen: list[Face], turn: int, doubted: Boxes, votes: dict[int, float]
    ) -> list[Face]:
        """Return the faces of a frame after its other rotations were tried."""
        if not any(votes.values()):
            return seen or self._search(frame, turn)
        best = _winner(votes, turn)
        if best == turn:
            self._elsewhere = 0
            self._interval *= 2  # the detector gives this face a low score although it is upright
            return seen or self._search(frame, turn)
        self._elsewhere += 1
        self._until_check = 1
        if self._elsewhere == SWITCH:
            self.turn, self._elsewhere, self._interval = best, 0, CHECK
        return _merged(seen, self._glance(frame, best), doubted)

    def _search(self, frame: np.ndarray, turn: int) -> list[Face]:
        """Search small faces in the other rotations, at the 1st, 2nd, 4th, 8th ...

        consecutive missed frame.
        """
        missed = self._missed + 1
        if missed & (missed - 1):
            return []
        answers = (self._glance(frame, other) for other in TURNS if other != turn)
        return next((faces for faces in answers if faces), [])

    def _vote(self, frame: np.ndarray, turn: int, doubted: Boxes) -> float:
        found = [one for one in self._detections(frame, turn) if not tilted(one.roll + turn * np.pi / 2)]
        return max((one.score for one in found if not doubted or meets(one.box, doubted)), default=0.0)

    def _detections(self, frame: np.ndarray, turn: int) -> list[Detection]:
        found = detections(self._source, _turned(frame, turn))
        return [one.turned_back(turn, (frame.shape[1], frame.shape[0])) for one in found]

    def _glance(self, frame: np.ndarray, turn: int) -> list[Face]:
        return self._turned_back(frame, self._source.glance(_turned(frame, turn)), turn)

    @staticmethod
    def _turned_back(frame: np.ndarray, faces: list[Face], turn: int) -> list[Face]:
        return [face.turned_back(turn, (frame.shape[1], frame.shape[0])) for face in faces]


def _merged(seen: list[Face], again: list[Face], doubted: Boxes) -> list[Face]:
    """Merge faces: those not in doubt, then those of the second
    detection, then those found only by the first.
    """
    kept = [face for face in seen if not meets(face.box, doubted)]
    kept += [face for face in again if not meets(face.box, [other.box for other in kept])]
    return kept + [face for face in seen if not meets(face.box, [other.box for other in kept])]
