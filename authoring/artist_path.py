"""Draws the pictures of web/docs/artist_path.md, from the demo's portrait and clip: python run.py pictures
artist_path [--output DIR].

The clip's frames are not part of this repository, so the pictures show only what was measured in them. The
portrait is in the public domain.
"""

from __future__ import annotations

import cv2
import numpy as np

from ..face_tools import video
from ..face_tools.editing.adjust import adjust, parse
from ..face_tools.editing.approximate import approximate_coefficients
from ..face_tools.editing.edit import merge_expression, smooth
from ..face_tools.editing.timeline import retime
from ..face_tools.pictures.crop import CROP_RULES, portrait_crop
from ..face_tools.pictures.head_pose_raster import draw_box, driven_translation
from ..face_tools.pictures.preview import draw_overlay, draw_plot
from ..face_tools.trackers import sources
from ..face_tools.trackers.faces import ModelFiles
from ..face_tools.trackers.tracking import track_faces
from ..material import driver, portrait
from .doc_pictures import write

SHOWN = (0, 30, 60, 90)  # frames of the clip in the strips of head poses
HEIGHT = 192
EDITS = "eyeBlink=0 @ 40-44"


def main(argv: list[str]) -> int:
    return write(pictures(), argv)


def pictures() -> dict[str, np.ndarray]:
    """Return every picture of the page by name, each (H, W, 3) uint8 RGB."""
    clip, person = driver(), cv2.imread(str(portrait()))[..., ::-1]
    with sources.open_source("mediapipe-mesh", ModelFiles()) as source:
        still = track_faces([np.ascontiguousarray(person)], source, 1.0)
        tracked = track_faces(video.frames(clip), source, video.probe(clip).fps, on_miss="interpolate")
    tracked = approximate_coefficients(tracked)
    edited = adjust(smooth(tracked, pose=2.0, expression=0.7), parse(EDITS))
    other, _ = retime(tracked, first=60, last=100, ends="ping-pong", frames=len(tracked))
    mixed = merge_expression(other, edited)
    names = ("eyeBlinkLeft", "eyeBlinkRight", "jawOpen", "yaw", "roll")
    crop = portrait_crop(still, CROP_RULES["v5"])
    return {
        "overlay": draw_overlay(crop.cut(np.ascontiguousarray(person)), crop.track(still), 0),
        "tracked": draw_plot(tracked, names, (1000, 400)),
        "edited": draw_plot(edited, names, (1000, 400)),
        "mixed": draw_plot(mixed, names, (1000, 400)),
        "head_pose": np.vstack(
            [np.hstack([_head_pose(track, k) for k in SHOWN]) for track in (edited, mixed)]
        ),
    }


def _head_pose(track, k: int) -> np.ndarray:
    cropped = portrait_crop(track, CROP_RULES["v5"]).track(track)
    return cv2.resize(
        draw_box(cropped.rotation[k], driven_translation(cropped)[k]),
        (HEIGHT, HEIGHT),
        interpolation=cv2.INTER_AREA,
    )
