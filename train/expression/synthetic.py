"""Synthetic heads: the face of one person, the expression of a second and the
pose of a third, with the teacher's coefficients.

They teach what a few real people cannot: that the shape of a face is not its expression.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ...face_tools.geometry import rotation_matrix
from .pairs import Pairs, upright

STRETCH = (0.04, 0.04, 0.06)  # standard deviation of width, height and depth from the person's own
GAIN = (0.4, 1.5)  # factors of the second person's expression
TURN = (0.12, 0.2, 0.05)  # radians of pitch, yaw and roll added to the third person's pose
MESH_SHARE = 0.6  # fraction of heads with the deviations of FaceMesh, which differs from the Face Landmarker
BATCH = 500


@dataclass(frozen=True)
class Heads:
    """N heads, projected to the picture plane.

    landmarks:     (N, 478, 2) float32, x right and y down, centimetres; partly with the mesh's own deviations
    coefficients:  (N, 51) of the teacher, for the same head without these deviations
    people:        (N, 4) names of the people from whom a head is made
    """

    landmarks: np.ndarray
    coefficients: np.ndarray
    people: np.ndarray


@dataclass(frozen=True)
class _Person:
    name: str
    heads: np.ndarray
    rotations: np.ndarray
    deviations: np.ndarray  # of the mesh from the Face Landmarker
    usual: np.ndarray

    @classmethod
    def of(cls, pairs: Pairs) -> "_Person":
        heads, rotations = upright(pairs.task)
        return cls(pairs.person, heads, rotations, upright(pairs.mesh)[0] - heads, heads.mean(0))


def make(
    clips: Sequence[Pairs],
    count: int,
    teach: Callable[[np.ndarray], np.ndarray],
    tell: Callable[[str], None],
    seed: int = 0,
) -> Heads:
    """Make `count` heads, each from up to four people, chosen with equal probability."""
    draw = np.random.default_rng(seed)
    people = [_Person.of(pairs) for pairs in clips]
    moving = [person for person, pairs in zip(people, clips) if len(pairs) > 1]
    landmarks, answers, names = [], [], []
    while sum(map(len, landmarks)) < count:
        made = [_head(draw, people, moving) for _ in range(min(BATCH, count - sum(map(len, landmarks))))]
        plain, seen, who = (np.array(part) for part in zip(*made))
        landmarks.append(seen)
        answers.append(teach(plain))
        names.append(who)
        tell(f"{sum(map(len, landmarks))} of {count} synthetic heads")
    return Heads(np.concatenate(landmarks), np.concatenate(answers), np.concatenate(names))


def _head(
    draw: np.random.Generator, people: list[_Person], moving: list[_Person]
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """(478, 2) landmarks as by the Face Landmarker and
    as by the tracker, and the names of the four people.
    """
    groups = people, moving, moving, people
    face, expression, pose, tracker = (group[draw.integers(len(group))] for group in groups)
    k, posed, seen = (draw.integers(len(person.heads)) for person in (expression, pose, tracker))
    moved = expression.heads[k] - expression.usual
    head = face.usual * draw.normal(1, STRETCH) + draw.uniform(*GAIN) * moved
    turned = pose.rotations[posed] @ rotation_matrix(draw.normal(0, TURN))
    deviation = tracker.deviations[seen] * (draw.random() < MESH_SHARE)
    plain, seen_so = (_flat(points, turned) for points in (head, head + deviation))
    return plain, seen_so, [person.name for person in (face, expression, pose, tracker)]


def _flat(points: np.ndarray, rotation: np.ndarray) -> np.ndarray:
    """(478, 2) projection, x right and y down, of points (478, 3) after a rotation."""
    return (points @ rotation.T)[:, :2].astype(np.float32) * np.float32([1, -1])
