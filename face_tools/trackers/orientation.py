"""Faces whichever way up the picture or the person is: the networks know upright ones, so where they doubt the picture is turned."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import chain

import numpy as np

from ..track import TrackError
from .faces import Face, Source
from .sanity_checks import POSSIBLE, SURE, doubt
from .tiles import overlap

TURNS = (0, 1, 3, 2)  # counter-clockwise quarter turns of the picture, likeliest first
SAME = 0.1  # overlap above which two answers speak of one face
Rated = list[tuple[float, Face]]  # faces of the frame with their doubt


def look(source: Source, frames: Iterable[np.ndarray]) -> Iterator[tuple[np.ndarray, list[Face]]]:
    """Every frame with the faces that can be believed, in order.

    The source sees the clip turned as its first frame asks for. What it doubts is looked at again in the other turns, that of the
    last such frame first. Raises TrackError where the source answers for fewer frames than it was given.
    """
    frames = iter(frames)
    first = next(frames, None)
    if first is None:
        return
    turn = latest = _turn_of(source, first)
    frames = chain([first], frames)
    del first  # no frame is kept longer than the source keeps it
    waiting: deque[np.ndarray] = deque()

    def turned() -> Iterator[np.ndarray]:
        for frame in frames:
            waiting.append(frame)
            yield _turned(frame, turn)

    for faces in source.track(turned()):
        frame = waiting.popleft()
        rated = _rated(source, frame, faces, turn)
        for other in sorted(set(TURNS) - {turn}, key=lambda other: (other != latest, TURNS.index(other))):
            if _sure(rated):
                break
            again = _rated(source, frame, source.glance(_turned(frame, other)), other)
            latest = other if _sure(again) else latest
            rated = _best(rated + again)
        yield frame, [face for doubted, face in rated if doubted < POSSIBLE]
    if waiting:
        raise TrackError(f"The tracker {source.name} gave no answer for the last {len(waiting)} frames.")


def _turn_of(source: Source, frame: np.ndarray) -> int:
    """The quarter turns by which a face in the frame stands upright; 0 where there is none."""
    found = {}
    for turn in TURNS:
        rated = _rated(source, frame, source.glance(_turned(frame, turn)), turn)
        if rated:
            found[turn] = min(doubted for doubted, _ in rated)
            if found[turn] < SURE:
                return turn
    return min(found, key=found.get, default=0)


def _turned(frame: np.ndarray, turn: int) -> np.ndarray:
    return np.ascontiguousarray(np.rot90(frame, turn))


def _rated(source: Source, frame: np.ndarray, faces: list[Face], turn: int) -> Rated:
    """Faces seen in the turned frame, in the pixels of the frame."""
    size = frame.shape[1], frame.shape[0]
    return [(doubt(face, source.scheme), face.turned_back(turn, size)) for face in faces]


def _sure(rated: Rated) -> bool:
    return bool(rated) and all(doubted < SURE for doubted, _ in rated)


def _best(rated: Rated) -> Rated:
    """Of several answers for one face the least doubted."""
    kept: Rated = []
    for doubted, face in sorted(rated, key=lambda pair: pair[0]):
        if not any(overlap(face.box, better.box) > SAME for _, better in kept):
            kept.append((doubted, face))
    return kept
