"""Draws the pictures of web/docs/faces.md, from scikit-image's
astronaut: python run.py pictures faces [--output DIR].
"""

from __future__ import annotations

import cv2
import numpy as np

from ..face_tools.pictures.crop import CROP_RULES, portrait_crop
from ..face_tools.pictures.head_pose_raster import draw_box
from ..face_tools.pictures.paste import feathered_square
from ..face_tools.pictures.patches import plan_patches
from ..face_tools.trackers import sources
from ..face_tools.trackers.faces import ModelFiles
from ..face_tools.trackers.tracking import track_faces
from ..material import portrait
from .doc_pictures import write

SIDE = 256
COLOURS = {"v2": (255, 210, 60), "v5": (90, 170, 255)}


def main(argv: list[str]) -> int:
    return write(pictures(), argv)


def pictures() -> dict[str, np.ndarray]:
    """Return every picture of the page by name, each (H, W, 3) uint8 RGB."""
    frame = np.ascontiguousarray(cv2.imread(str(portrait()))[..., ::-1])
    with sources.open_source("mediapipe-mesh", ModelFiles()) as source:
        track = track_faces([frame], source, 1.0)
    squares = frame.copy()
    for version, colour in COLOURS.items():
        crop = portrait_crop(track, CROP_RULES[version])
        cv2.rectangle(squares, (crop.x, crop.y), (crop.x + crop.side, crop.y + crop.side), colour, 2)
    crop = portrait_crop(track, CROP_RULES["v2"])
    cut, cropped = crop.cut(frame), crop.track(track)
    pose = draw_box(cropped.rotation[0], cropped.translation[0])
    patches = plan_patches(cropped).cut(cut, 0)
    mask = np.zeros(frame.shape[:2], np.float32)
    mask[crop.y : crop.y + crop.side, crop.x : crop.x + crop.side] = feathered_square(crop, 0.1)
    faded = (frame * (0.25 + 0.75 * mask[..., None])).astype(np.uint8)
    return {
        "crop": np.hstack([_small(squares), _small(cut), _small(faded)]),
        "pose_and_patches": np.hstack(
            [_small(p) for p in (cv2.addWeighted(cut, 0.5, pose, 1, 0), pose, *patches.values())]
        ),
    }


def _small(picture: np.ndarray) -> np.ndarray:
    return cv2.resize(picture, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
