"""Compares the faces of a frame with those of the previous frame, to decide which need a second detection."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..geometry import wrapped
from .faces import Face
from .sanity_checks import SURE, doubt
from .tiles import overlap

SAME = 0.1  # overlap above which two boxes belong to one face
# Correct detections in 13 real clips, every second frame: the roll changes by 14 degrees at most, and the
# misfit of the rigid head grows by less than 0.08 cm in 99 % of the steps. The misfit of upside-down
# detections is larger by 0.1 to 0.9 cm.
ROLL_STEP, MISFIT_STEP = np.radians(45), 0.15  # cm
TILTED = np.radians(60)  # roll in the tracked picture above which another rotation of the picture fits better


@dataclass(frozen=True)
class Known:
    """An accepted face of the previous frame.

    Its misfit (cm) depends more on the person than on the detection.
    certain: False if the detector did not find the face in any rotation
    """

    box: np.ndarray
    roll: float
    misfit: float
    certain: bool


class Continuity:
    """The accepted faces of the previous frame; None before the first frame."""

    def __init__(self, scheme: str):
        self._scheme = scheme
        self._known: list[Known] | None = None

    def accept(self, faces: list[Face], unconfirmed: list[np.ndarray]) -> None:
        """Store the faces of this frame for the next one.

        unconfirmed: boxes in which the detector found no face in any rotation
        """
        unsure = unconfirmed + [known.box for known in self._known or () if not known.certain]
        self._known = [Known(face.box, face.roll, face.misfit, not meets(face.box, unsure)) for face in faces]

    def has_new(self, faces: list[Face]) -> bool:
        """Whether there is a face where the previous frame had none. False in the first frame."""
        return self._known is not None and any(self._before(face) is None for face in faces)

    def doubted(self, faces: list[Face], turn: int) -> list[np.ndarray]:
        """Boxes of faces that changed implausibly, and of certain faces that vanished.

        turn: rotation of the tracked picture, quarter turns.
        """
        boxes = [face.box for face in faces]
        changed = [face.box for face in faces if self._changed(face, turn)]
        vanished = [known for known in self._known or () if not meets(known.box, boxes)]
        return changed + [known.box for known in vanished if known.certain]

    def _changed(self, face: Face, turn: int) -> bool:
        before = self._before(face)
        if before is None:
            return tilted(face.roll + turn * np.pi / 2) or doubt(face, self._scheme) >= SURE
        turned = abs(wrapped(face.roll - before.roll)) > ROLL_STEP
        return turned or face.misfit > before.misfit + MISFIT_STEP

    def _before(self, face: Face) -> Known | None:
        near = [known for known in self._known or () if overlap(known.box, face.box) > SAME]
        return max(near, key=lambda known: overlap(known.box, face.box), default=None)


def meets(box: np.ndarray, others: list[np.ndarray]) -> bool:
    """Whether the box belongs to the same face as one of the others."""
    return any(overlap(box, other) > SAME for other in others)


def tilted(roll: float) -> bool:
    """Whether a head with this roll (radians) is too far from upright for a detector of upright faces."""
    return bool(abs(wrapped(roll)) > TILTED)
