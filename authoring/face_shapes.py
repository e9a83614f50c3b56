"""Measure how expressions move the skin of real faces.

`python run.py pictures face_shapes MODELS CLIP ... [--output FILE]` reads landmarks and blendshapes of every
clip with the `face_landmarker.task` in the folder MODELS, and writes `face_tools/pictures/face_shapes.npy`.

Method: landmarks in the head frame, minus their mean over the clip, are fitted linearly to a few blendshapes,
minus their means; each clip is also mirrored. More blendshapes than the wanted ones are fitted, so that their
movement is not attributed to the wanted ones. Each shape is kept only near its muscles, and is symmetrised.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from ..face_tools import video
from ..face_tools.coefficients import ARKIT_51
from ..face_tools.geometry import similarity
from ..face_tools.pictures.face_shapes import FILE
from ..face_tools.pictures.warp import smooth
from ..face_tools.trackers import mediapipe_tasks
from ..face_tools.trackers.faces import ModelFiles
from ..face_tools.trackers.head_pose import _WEIGHTS
from ..face_tools.trackers.template import RIGID_CM, RIGID_POINTS

FRAMES, RIDGE = 150, 2.0  # at most this many frames per clip, and the ridge penalty of the fit
MIRROR = np.array([-1.0, 1.0, 1.0])
EYE, BRIDGE, UNDER_NOSE = 33, 6, 2
# column of the fit -> the blendshapes of which it is the mean, and those that are subtracted
COLUMNS = {
    "smileLeft": (("mouthSmileLeft",), ()),
    "smileRight": (("mouthSmileRight",), ()),
    "jaw": (("jawOpen",), ()),
    "blinkLeft": (("eyeBlinkLeft",), ()),
    "blinkRight": (("eyeBlinkRight",), ()),
    "browInner": (("browInnerUp",), ()),
    "browOuterLeft": (("browOuterUpLeft",), ()),
    "browOuterRight": (("browOuterUpRight",), ()),
    "browDownLeft": (("browDownLeft",), ()),
    "browDownRight": (("browDownRight",), ()),
    "pucker": (("mouthPucker",), ()),
    "funnel": (("mouthFunnel",), ()),
    "mouthLeft": (("mouthLeft",), ()),
    "mouthRight": (("mouthRight",), ()),
    "lookUp": (("eyeLookUpLeft", "eyeLookUpRight"), ()),
    "lookDown": (("eyeLookDownLeft", "eyeLookDownRight"), ()),
    "lookAside": (("eyeLookOutLeft", "eyeLookInRight"), ("eyeLookInLeft", "eyeLookOutRight")),
    "wideLeft": (("eyeWideLeft",), ()),
    "wideRight": (("eyeWideRight",), ()),
}


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python run.py pictures face_shapes", description=__doc__)
    parser.add_argument("models", type=Path, help="folder with face_landmarker.task")
    parser.add_argument("clips", type=Path, nargs="+")
    parser.add_argument("--output", type=Path, default=FILE)
    given = parser.parse_args(argv)
    with mediapipe_tasks.open_source(ModelFiles((str(given.models),))) as source:
        clips = [_read(source, clip) for clip in given.clips]
    np.save(given.output, shapes(clips))
    print(given.output)
    return 0


def shapes(clips: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """Return the shapes (5, 478, 3) float16 in centimetres, in the order of MEASURED.

    clips: for each clip, landmarks (F, 478, 3) in pixels and blendshapes (F, 51)
    """
    pairs = [(_upright(landmarks), _columns(blendshapes)) for landmarks, blendshapes in clips]
    mean = np.concatenate([landmarks for landmarks, _ in pairs]).mean(0)
    partner = ((mean[:, None] - mean * MIRROR) ** 2).sum(-1).argmin(1)
    pairs += [(landmarks[:, partner] * MIRROR, _mirrored(columns)) for landmarks, columns in pairs]
    moves = np.concatenate([landmarks - landmarks.mean(0) for landmarks, _ in pairs])
    moves = moves.reshape(len(moves), -1)
    values = np.concatenate([columns - columns.mean(0) for _, columns in pairs])
    fitted = np.linalg.solve(values.T @ values + RIDGE * np.eye(len(COLUMNS)), values.T @ moves)
    shape = dict(zip(COLUMNS, fitted.reshape(len(COLUMNS), -1, 3)))
    mean = (mean + mean[partner] * MIRROR) / 2
    height = mean[:, 1:2]
    lower = smooth((mean[EYE, 1] - 0.6 - height) / 2.5)
    mouth = smooth((mean[UNDER_NOSE, 1] + 1.0 - height) / 2.5)
    upper = smooth((height - mean[BRIDGE, 1] - 0.2) / 1.5)
    kept = (
        lower * (shape["smileLeft"] + shape["smileRight"]),
        mouth * shape["jaw"],
        mouth * shape["pucker"],
        upper * shape["browInner"],
        upper * (shape["browOuterLeft"] + shape["browOuterRight"]),
    )
    symmetric = np.stack([(one + one[partner] * MIRROR) / 2 for one in kept]).astype(np.float16)
    return np.where(np.abs(symmetric) < 5e-3, np.float16(0), symmetric)


def _read(source, clip: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return landmarks (F, 478, 3) and blendshapes (F, 51) of the
    first face in a selection of the clip's frames.
    """
    found = [faces[0] for faces in source.track(video.frames(clip)) if faces]
    found = found[:: max(1, len(found) // FRAMES)]
    return np.stack([face.landmarks for face in found]), np.stack([face.coefficients for face in found])


def _upright(landmarks: np.ndarray) -> np.ndarray:
    """Return the landmarks (F, 478, 3) in centimetres in the frame of the head template."""
    upright = np.empty(landmarks.shape)
    for k, camera in enumerate(landmarks * [1.0, -1.0, -1.0]):
        scale, rotation, shift = similarity(RIGID_CM, camera[list(RIGID_POINTS)], _WEIGHTS)
        upright[k] = (camera - shift) @ rotation / scale
    return upright


def _columns(blendshapes: np.ndarray) -> np.ndarray:
    """Return the predictors (F, columns) of the fit for blendshapes (F, 51)."""

    def mean(names: tuple[str, ...]) -> np.ndarray:
        return blendshapes[:, [ARKIT_51.index(name) for name in names]].mean(1) if names else 0.0

    return np.stack([mean(plus) - mean(minus) for plus, minus in COLUMNS.values()], 1).astype(np.float64)


def _mirrored(columns: np.ndarray) -> np.ndarray:
    """Return the predictors of the same frames mirrored."""
    names = list(COLUMNS)
    swapped = [name.replace("Left", "?").replace("Right", "Left").replace("?", "Right") for name in names]
    signs = np.array([-1.0 if name == "lookAside" else 1.0 for name in names])
    return columns[:, [names.index(name) for name in swapped]] * signs
