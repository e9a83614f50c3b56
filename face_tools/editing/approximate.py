"""Eleven of the 51 coefficients, estimated from landmarks alone; the other forty stay zero. Opt-in, never chosen silently.

Each is one distance in the head's own frame, compared with the same person's neutral face, because the ratios differ two and a
half times between people. Cheeks, lip rolls, sneers and the like do not show in these points at all.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..coefficients import ARKIT_51, ASSUMED_ORDER, CoefficientOrder, experimental_note
from ..geometry import rotation_matrix
from ..track import FaceTrack, TrackError

SCHEME = "mediapipe478"
FACE_WIDTH = (33, 263)  # outer eye corners: the unit of every distance
MIN_ROWS = 10  # measured rows from which a neutral face can be told


@dataclass(frozen=True)
class Measure:
    """A coefficient as the change of a mean distance between point pairs, relative to the neutral face.

    pairs:    point pairs of the mesh whose distances are averaged
    axis:     0 or 1: the distance along the head's x or y
    full:     change of the distance, in face widths, at which the coefficient is 1; negative where it shrinks
    neutral:  quantile of the clip that counts as neutral
    dead:     share of `full` that is noise
    relative: `full` is a share of the neutral distance instead
    """

    pairs: tuple[tuple[int, int], ...]
    axis: int
    full: float
    neutral: float = 0.5
    dead: float = 0.1
    relative: bool = True


# The mesh's lower numbers lie on the picture's left, which is the subject's right. `full` from clips of four people: eyes close
# to a tenth of their opening, a smile widens the mouth by a quarter and a pucker narrows it as much, brows travel a fifth.
MEASURES = {
    "eyeBlinkRight": Measure(((159, 145), (160, 144), (158, 153)), 1, -0.85, neutral=0.7),
    "eyeBlinkLeft": Measure(((386, 374), (387, 373), (385, 380)), 1, -0.85, neutral=0.7),
    "jawOpen": Measure(((13, 14),), 1, 0.35, neutral=0.1, dead=0.05, relative=False),
    "mouthSmileRight": Measure(((61, 0), (61, 17)), 0, 0.25),
    "mouthSmileLeft": Measure(((291, 0), (291, 17)), 0, 0.25),
    "mouthPucker": Measure(((61, 291),), 0, -0.25),
    "browInnerUp": Measure(((107, 133), (336, 362)), 1, 0.25),
    "browDownRight": Measure(((105, 159), (107, 133)), 1, -0.2),
    "browDownLeft": Measure(((334, 386), (336, 362)), 1, -0.2),
    "browOuterUpRight": Measure(((70, 33), (63, 33)), 1, 0.25),
    "browOuterUpLeft": Measure(((300, 263), (293, 263)), 1, 0.25),
}
NOTE = f"Approximate: {len(MEASURES)} of the 51 coefficients were estimated from landmarks, the others are zero."


def approximate_coefficients(
    track: FaceTrack, neutral: FaceTrack | None = None, order: CoefficientOrder = ASSUMED_ORDER
) -> FaceTrack:
    """The track with estimated coefficients, for clips whose tracker gives none.

    neutral: a track of the same person with a relaxed face; without one the clip's own usual values are taken for it.
    Raises TrackError for landmarks of another scheme, or a clip too short to tell the neutral face from.
    """
    for one in (track, neutral):
        if one is not None and (one.scheme != SCHEME or one.landmarks.shape[-1] != 3):
            raise TrackError(f"Coefficients are estimated from 3D {SCHEME} landmarks; this track has {one.scheme}.")
    if neutral is None and track.valid.sum() < MIN_ROWS:
        raise TrackError(
            f"The neutral face cannot be told from {track.valid.sum()} measured frames (at least {MIN_ROWS}); "
            "connect a track of a relaxed face of the same person as neutral."
        )
    upright = head_frame(track)
    base = upright[track.valid] if neutral is None else head_frame(neutral)
    coefficients = np.zeros((len(track), len(ARKIT_51)), np.float32)
    for name, measure in MEASURES.items():
        usual = np.quantile(distance(base, measure), measure.neutral)
        change = (distance(upright, measure) - usual) / (usual if measure.relative else 1.0)
        share = (change / measure.full - measure.dead) / (1 - measure.dead)
        coefficients[:, ARKIT_51.index(name)] = share.clip(0, 1)
    notes = tuple(filter(None, [NOTE, experimental_note(order)]))
    return track.replace(coefficients=coefficients, notes=track.notes + notes)


def head_frame(track: FaceTrack) -> np.ndarray:
    """(F, P, 3) landmarks turned back by the head's rotation, x right, y up, in face widths."""
    camera = track.landmarks * np.float32([1, -1, -1])
    points = camera @ rotation_matrix(track.own_rotation)  # rows times R are R^T times columns
    a, b = (points[:, i] for i in FACE_WIDTH)
    return points / np.linalg.norm(a - b, axis=-1)[:, None, None]


def distance(points: np.ndarray, measure: Measure) -> np.ndarray:
    """(F,) mean distance of the measure's pairs."""
    first, second = np.array(measure.pairs).T
    apart = points[:, first] - points[:, second]
    return np.abs(apart[..., measure.axis]).mean(1)
