"""The geometry of a synthetic head: the 478-point mesh of one
person, and its displacement per ARKit coefficient.

Head coordinates: centimetres, x right in the picture, y up, z towards the viewer, with the
origin of the pack's head template. Left and Right of a coefficient are the subject's, as in
ARKit: the subject's right eye is at negative x.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np

from ..face_tools.coefficients import ARKIT_51
from ..face_tools.contours import BROWS, INNER_LOWER, INNER_UPPER, IRIS, LIDS, OUTER_LOWER, OUTER_UPPER, SIDES
from ..face_tools.geometry import rotation_matrix
from ..face_tools.track_errors import TrackSettingError
from ..face_tools.trackers.head_pose import focal_length
from .identity import Identity

# A relaxed face of `mediapipe478`, symmetrised: FaceMesh's own output on two people, by `python run.py
# pictures face_template CLIP MESH`.
MESH = np.load(Path(__file__).with_name("mesh.npy")).astype(np.float64)

# Further contours; the subject's right is at negative x.
JAW = (93, 132, 58, 172, 136, 150, 149, 176, 148, 152, 377, 400, 378, 379, 365, 397, 288, 361, 323)
NOSE = (
    1,
    2,
    4,
    5,
    6,
    19,
    44,
    45,
    48,
    49,
    59,
    64,
    75,
    79,
    94,
    97,
    98,
    102,
    115,
    122,
    125,
    129,
    131,
    141,
    168,
    166,
    174,
    188,
    195,
    196,
    197,
    198,
    218,
    219,
    220,
    235,
    236,
    237,
    238,
    239,
    240,
    241,
    242,
    248,
    250,
    274,
    275,
    278,
    279,
    289,
    294,
    305,
    309,
    326,
    327,
    # Fmt: skip.
    331,
    344,
    351,
    354,
    358,
    360,
    370,
    392,
    399,
    412,
    419,
    420,
    438,
    439,
    440,
    455,
    456,
    457,
    458,
    459,
    460,
    461,
    462,
)
IRIS_RADIUS = 1.02
NEAREST = -0.5  # z of a head that fills a picture several times over; a camera sees nothing behind itself


@dataclass(frozen=True)
class State:
    """Pose and expression of a head, in the units of FaceTrack.

    rotation:     (3,) radians, pitch yaw roll, as in FaceTrack
    translation:  (3,) metres, as in FaceTrack; the default frames the head as the official v2 crop does
    coefficients: (51,) in the order of ARKIT_51, 0..1; the eyeLook group is the gaze
    """

    rotation: np.ndarray = field(default_factory=lambda: np.zeros(3, np.float32))
    translation: np.ndarray = field(default_factory=lambda: np.float32([0.0, -0.012, -2.83]))
    coefficients: np.ndarray = field(default_factory=lambda: np.zeros(len(ARKIT_51), np.float32))

    @classmethod
    def named(cls, degrees: tuple[float, float, float] = (0.0, 0.0, 0.0), **coefficients: float) -> "State":
        """Create a state from pitch, yaw and roll in degrees, and coefficients by their ARKit names."""
        values = np.zeros(len(ARKIT_51), np.float32)
        for name, value in coefficients.items():
            values[ARKIT_51.index(name)] = value
        return cls(rotation=np.radians(degrees).astype(np.float32), coefficients=values)


@dataclass(frozen=True)
class View:
    """The camera's view of one head.

    turn: (3, 3) rotation matrix; scale: pixels per centimetre; origin: pixel of the head's origin.
    """

    turn: np.ndarray
    scale: float
    origin: np.ndarray

    @classmethod
    def of(cls, state: State, size: tuple[int, int]) -> "View":
        """Create the view of a state in a picture of (width, height).

        Raises TrackError if the head is not in front of the camera.
        """
        x, y, z = np.asarray(state.translation, np.float64)
        if not z <= NEAREST:
            raise TrackSettingError(
                f"The head is not in front of the camera: translation z is {z:.2f} and must be at most {NEAREST}. Crop the "
                "track with Crop Portrait.",
                "translation",
                z,
            )
        per_metre = focal_length(size) / -z
        origin = np.array([size[0] / 2 + per_metre * x, size[1] / 2 - per_metre * y])
        return cls(rotation_matrix(state.rotation), per_metre / 100, origin)

    def landmarks(self, points: np.ndarray) -> np.ndarray:
        """Project (P, 3) centimetres to (P, 3) pixels: x right, y
        down, z on the scale of x, smaller is nearer.

        Uses weak perspective, as `head_pose.solve` does: the official camera has a field of view of 6
        degrees, so depth hardly affects size.
        """
        camera = np.asarray(points) @ self.turn.T * [self.scale, -self.scale, -self.scale]
        camera[:, :2] += self.origin
        return camera

    def pixels(self, points: np.ndarray) -> np.ndarray:
        """Project (P, 3) centimetres to (P, 2) pixels."""
        return self.landmarks(points)[:, :2]


def _jaw_weight(points: np.ndarray) -> np.ndarray:
    """(P,) fraction of the jaw's opening that each point follows: the chin fully, points above the mouth
    or at the ears not at all.
    """
    down = np.clip((-4.9 - points[:, 1]) / 2.0, 0, 1)
    front = np.clip((points[:, 2] + 5.5) / 5.0, 0, 1)
    return 0.85 * down * front


def _relaxed() -> np.ndarray:
    """Return MESH with closed lips; the measured people were talking."""
    mesh = MESH.copy()
    gap = mesh[13, 1] - mesh[14, 1]
    weight = _jaw_weight(mesh)
    lower = [*OUTER_LOWER[1:-1], *INNER_LOWER[1:-1]]
    weight[lower] = np.clip(weight[lower], 0.95, 1)
    mesh[:, 1] += weight * gap * 0.9
    for upper, under in zip(INNER_UPPER, INNER_LOWER):
        middle = (mesh[upper] + mesh[under]) / 2
        mesh[upper], mesh[under] = middle + [0, 0.04, 0], middle - [0, 0.04, 0]
    return mesh


RELAXED = _relaxed()
EYE_CENTRES = {side: RELAXED[[*LIDS[side][0], *LIDS[side][1]]].mean(0) for side in SIDES}


def _neutral(who: Identity) -> np.ndarray:
    """(478, 3) relaxed face of this person."""
    mesh = RELAXED.copy()
    for side, sign in SIDES.items():
        centre = EYE_CENTRES[side]
        place = centre + [sign * 3.2 * (who.eye_spacing - 1), 0.15, 0]
        upper, lower = LIDS[side]
        # An almond shape that is high enough to be visible in a small picture: 4.4 cm wide and 2.5 high.
        across = np.linspace(sign * 2.2, -sign * 2.2, len(upper)) * who.eye_size
        arch = np.sqrt(np.clip(1 - (across / across[0]) ** 2, 0, 1))
        depth = np.interp(across * sign, (-2.1, 2.1), (0.6, -0.5)) + place[2] - 0.3
        tilt = 0.06 * across * sign
        for lid, height in ((upper, 1.55), (lower, -1.0)):
            rise = tilt + height * who.eye_size * arch**0.8
            mesh[list(lid)] = np.stack([place[0] + across, place[1] + rise, depth + 0.25 * arch], 1)
        ring = (
            IRIS_RADIUS
            * who.eye_size
            * np.array([(0, 0, 0), (sign, 0, 0), (0, 1, 0), (-sign, 0, 0), (0, -1, 0)])
        )
        mesh[list(IRIS[side])] = place + [0, 0.2, 0.35] + ring
        brow = list(BROWS[side])
        across = (mesh[brow, 0] - place[0]) * sign
        mesh[brow, 0] = place[0] + sign * across * 1.08
        mesh[brow, 1] = mesh[brow, 1] * 0.6 + 1.4 + 0.85 * who.eye_size + 0.3 + 0.16 * who.brow_tilt * across
    nose = list(NOSE)
    mesh[nose, 0] *= who.nose_size
    mesh[nose, 1] = 1.3 + (mesh[nose, 1] - 1.3) * (0.8 + 0.2 * who.nose_size)
    lips = list({*OUTER_UPPER, *OUTER_LOWER, *INNER_UPPER, *INNER_LOWER})
    line = mesh[13, 1]
    mesh[lips, 0] *= 1.12 * who.mouth_width
    mesh[lips, 1] = line + (mesh[lips, 1] - line) * 1.25 * who.lip_fullness - 0.25
    mesh[lips, 1] += 0.85 * (mesh[lips, 0] / mesh[291, 0]) ** 2  # a relaxed synthetic mouth smiles faintly
    mesh[:, 0] *= who.face_width
    low = np.minimum(mesh[:, 1], 0)
    mesh[:, 1] += low * (who.face_height - 1)
    return mesh


def blend_shapes(neutral: np.ndarray) -> np.ndarray:
    """(51, 478, 3) displacement of the mesh per unit of each coefficient, centimetres."""
    basis = np.zeros((len(ARKIT_51), *neutral.shape))

    def shape(name: str) -> np.ndarray:
        return basis[ARKIT_51.index(name)]

    lips = np.array(sorted({*OUTER_UPPER, *OUTER_LOWER, *INNER_UPPER, *INNER_LOWER}))
    half = neutral[291, 0]
    for side, sign in SIDES.items():
        upper, lower = (neutral[list(lid)] for lid in LIDS[side])
        ups, lows = list(LIDS[side][0]), list(LIDS[side][1])
        shape("eyeBlink" + side)[ups] = 0.93 * (lower - upper)
        shape("eyeBlink" + side)[lows] = 0.05 * (upper - lower)
        shape("eyeSquint" + side)[ups] = 0.25 * (lower - upper)
        shape("eyeSquint" + side)[lows] = 0.3 * (upper - lower)
        shape("eyeWide" + side)[ups] = 0.25 * (upper - lower)
        iris = list(IRIS[side])
        shape("eyeLookUp" + side)[iris] = [0, 0.75, 0]
        shape("eyeLookDown" + side)[iris] = [0, -0.75, 0]
        shape("eyeLookDown" + side)[ups] = 0.22 * (lower - upper)
        shape("eyeLookOut" + side)[iris] = [sign * 0.95, 0, 0]
        shape("eyeLookIn" + side)[iris] = [-sign * 0.95, 0, 0]

        brow = list(BROWS[side])
        inner = np.clip((np.abs(neutral[263, 0]) - np.abs(neutral[brow, 0])) / 3.6, 0, 1)[:, None]
        shape("browInnerUp")[brow] = inner * [0, 1.3, 0]
        shape("browOuterUp" + side)[brow] = (1 - inner) * [0, 1.3, 0] + inner * [0, 0.35, 0]
        shape("browDown" + side)[brow] = (0.35 + 0.65 * inner) * [-sign * 0.25, -1.1, 0]

        # Movements of the corners fade towards the middle of the lips.
        near = np.clip(neutral[lips, 0] * sign / half, 0, 1)[:, None] ** 1.3
        shape("mouthSmile" + side)[lips] = near * [sign * 0.85, 1.25, -0.5] - (1 - near) * [0, 0.12, 0] * (
            near > 0
        )
        shape("mouthFrown" + side)[lips] = near * [sign * 0.1, -1.1, -0.2]
        shape("mouthStretch" + side)[lips] = near * [sign * 0.8, -0.3, -0.4]
    shape("mouthPucker")[lips] = (neutral[lips] - neutral[13]) * [-0.42, 0.3, 0] + [0, 0, 0.7]
    shape("mouthFunnel")[lips] = (neutral[lips] - neutral[13]) * [-0.35, 0.45, 0] + [0, 0, 0.5]
    shape("mouthLeft")[lips], shape("mouthRight")[lips] = [0.9, 0, 0], [-0.9, 0, 0]

    # The lower lip falls by 2.9 cm with an open jaw, most in its middle; the
    # corners move slightly inwards and half as far down.
    jaw = shape("jawOpen")
    jaw[:, 1] = -2.6 * _jaw_weight(neutral)
    middle = np.clip(1 - (neutral[lips, 0] / half) ** 2, 0, 1)
    below = np.isin(lips, [*OUTER_LOWER[1:-1], *INNER_LOWER[1:-1]])
    jaw[lips] = np.where(below, -0.7 - 2.2 * middle**0.6, 0.25 * middle - 0.7 * (1 - middle))[:, None] * [
        0,
        1,
        0,
    ]
    jaw[lips, 0] = -0.14 * neutral[lips, 0]
    for name, sign in (("jawLeft", 1), ("jawRight", -1)):
        shape(name)[:, 0] = sign * 0.9 * _jaw_weight(neutral)
        shape(name)[lips[below], 0] = sign * 0.9
    return basis


@lru_cache(maxsize=32)  # half a megabyte each
def shapes(who: Identity) -> tuple[np.ndarray, np.ndarray]:
    """Return the neutral mesh (478, 3) and the blend shapes (51, 478, 3) of a person, centimetres."""
    neutral = _neutral(who)
    return neutral, blend_shapes(neutral)


def mesh(who: Identity, coefficients: np.ndarray) -> np.ndarray:
    """Return (478, 3) centimetres: the person's face with (51,) coefficients, in head coordinates."""
    neutral, basis = shapes(who)
    used = np.flatnonzero(coefficients)
    return neutral + np.tensordot(np.asarray(coefficients, np.float64)[used], basis[used], 1)
