"""Displacements of a real face's landmarks per expression coefficient.

Smile, jaw, pucker and brows are measured: a linear fit of landmarks of real clips,
without head pose, to their blendshapes (`python run.py pictures face_shapes`). Lids and
irises are computed from the portrait's own eyes.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..coefficients import ARKIT_51
from ..contours import BROWS, CORNERS, INNER_LOWER, INNER_UPPER, IRIS, LIDS, OUTER_LOWER, OUTER_UPPER, SIDES
from .warp import smooth

# (5, 478, 3) centimetres at coefficient 1, both sides of the face: x right in the picture, y up, z towards
# the viewer, the outer corners of the eyes 8.89 cm apart.
FILE = Path(__file__).with_name("face_shapes.npy")
MEASURED = ("smile", "jaw", "pucker", "brow_inner", "brow_outer")
# Centimetres: width of the measured mouth; range of the scale factors for other mouths.
MOUTH, MOUTHS = 5.0, (0.6, 1.2)
# Jaw and pucker as factors of the measured ones; a frown is a smile times these factors (x, y, z).
JAW, PUCKER, FROWN = 0.72, 1.2, np.array([-0.1, -0.75, 0.5])
THINNER = 0.35  # factor of the measured thinning of the lips, for a smile with closed lips
PINCH = 0.44  # factor of the brows' rise by which frowning brows move together
# Fractions of the eye's opening by which its upper lid falls and its lower lid rises.
EYELIDS = {
    "eyeBlink": (0.84, 0.04),
    "eyeSquint": (0.25, 0.3),
    "eyeWide": (-0.25, 0.0),
    "cheekSquint": (0.0, 0.15),
    "eyeLookUp": (-0.12, 0.04),
    "eyeLookDown": (0.25, -0.06),
}
SQUEEZING = ("eyeBlink", "eyeSquint")  # the iris moves with the lids
# Centimetres outwards and up that an iris moves; less up and
# down in an eye that is open by less than OPENING.
GAZE = {"eyeLookUp": (0, 0.24), "eyeLookDown": (0, -0.3), "eyeLookOut": (0.44, 0), "eyeLookIn": (-0.44, 0)}
OPENING = 1.1


def face_shapes(upright: np.ndarray) -> np.ndarray:
    """(51, 478, 3) centimetres: displacement of a (478, 3) upright face per unit of each coefficient.

    Coefficients that no slider of the Expression Editor moves are zero.
    """
    shapes = np.zeros((len(ARKIT_51), len(upright), 3))
    smile, jaw, pucker, *brows = np.load(FILE).astype(np.float64)
    inner, outer = (_rigid(brow) for brow in brows)
    mouth = np.clip(np.linalg.norm(upright[CORNERS["Left"]] - upright[CORNERS["Right"]]) / MOUTH, *MOUTHS)
    smile = mouth * _closed(smile)
    sided = {
        "mouthSmile": smile,
        "mouthFrown": smile * FROWN,
        "browOuterUp": outer,
        "browDown": _together(upright, inner) - 0.9 * inner - 0.35 * outer,
    }
    for side, share in _halves(upright).items():
        for name, shape in sided.items():
            shapes[ARKIT_51.index(name + side)] = share * shape
        _eye(shapes, upright, side)
    whole = {"jawOpen": mouth * JAW * jaw, "mouthPucker": mouth * PUCKER * pucker, "browInnerUp": inner}
    for name, shape in whole.items():
        shapes[ARKIT_51.index(name)] = shape
    return shapes


def _halves(upright: np.ndarray) -> dict[str, np.ndarray]:
    """(478, 1) weight of each side of the face per landmark; both sum to 1."""
    left = smooth(_across(upright)[:, None] / 2.4 + 0.5)
    return {"Left": left, "Right": 1 - left}


def _across(upright: np.ndarray) -> np.ndarray:
    """(478,) centimetres from the bridge of the nose towards the subject's left."""
    return upright[:, 0] - upright[1, 0]


def _closed(smile: np.ndarray) -> np.ndarray:
    """Convert a measured smile, which shows teeth, to one
    whose lips stay closed and slide along the cheeks.
    """
    smile = smile.copy()
    for uppers, lowers, thinner in ((INNER_UPPER, INNER_LOWER, 0.0), (OUTER_UPPER, OUTER_LOWER, THINNER)):
        upper, lower = smile[list(uppers)], smile[list(lowers)]
        half = thinner * (upper - lower) / 2
        smile[list(uppers)], smile[list(lowers)] = (upper + lower) / 2 + half, (upper + lower) / 2 - half
    return smile


def _rigid(brow: np.ndarray) -> np.ndarray:
    """Average the upper and lower edges of the brows, so that they move together."""
    brow = brow.copy()
    for edge in map(list, BROWS.values()):
        brow[edge] = (brow[edge] + brow[edge[::-1]]) / 2
    return brow


def _together(upright: np.ndarray, inner: np.ndarray) -> np.ndarray:
    """(478, 3) displacement that moves the inner ends of the brows towards each other."""
    across = _across(upright)
    return (-PINCH * np.sign(across) * smooth(np.abs(across) / 0.5) * inner[:, 1])[:, None] * [1, 0, 0]


def _eye(shapes: np.ndarray, upright: np.ndarray, side: str) -> None:
    """Fill in the displacements of the lids and the iris of one eye, in place."""
    upper, lower, iris = list(LIDS[side][0]), list(LIDS[side][1]), list(IRIS[side])
    opening = upright[lower] - upright[upper]
    middle = opening[3:6].mean(0)
    depth = np.clip((upright[upper][3:6, 1].mean() - upright[iris, 1]) / max(-middle[1], 1e-3), 0, 1)[:, None]
    for name, (down, up) in EYELIDS.items():
        shape = shapes[ARKIT_51.index(name + side)]
        shape[upper] += down * opening
        shape[lower] -= up * opening
        if name in SQUEEZING:
            shape[iris] += ((1 - depth) * down - depth * up) * middle
    high = np.clip(np.linalg.norm(middle) / OPENING, 0.3, 1.0)
    for name, (outwards, up) in GAZE.items():
        shapes[ARKIT_51.index(name + side)][iris] += [SIDES[side] * outwards, high * up, 0]
