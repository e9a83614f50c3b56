"""Expressions that artists keep: one JSON file each, with a picture.

    {"format": "sk-portrait preset", "version": 1,
     "coefficients": {"jawOpen": 0.4, ...},                      ARKit names, 0..1; missing ones are 0
     "head": {"pitch": 3.0, "yaw": -12.5, "roll": 0.0},          degrees from a straight look
     "picture": "data:image/jpeg;base64,..."}                    a square picture, or ""

The name of the file, without its ending, is the name of the preset.
"""

from __future__ import annotations

import base64
import json
import math
import os
import re

import numpy as np

from ..atomic_write import written
from ..coefficients import ARKIT_51
from ..opencv import cv2
from ..track import FaceTrack
from ..track_errors import Damaged, NoCoefficientsError, TrackFileError, TrackSettingError
from .presets import PRESETS, SOURCE
from .recording import still_track

FORMAT, VERSION, ENDING = "sk-portrait preset", 1, ".json"
ANGLES = ("pitch", "yaw", "roll")
MOST_DEGREES = 180.0
# Pixels per side, JPEG quality, prefix of the data URL.
PICTURE, QUALITY, DATA = 192, 88, "data:image/jpeg;base64,"
LONGEST, LARGEST = 60, 1 << 20  # characters in a name, bytes in a file
# Characters that file names must not contain on some operating system.
FORBIDDEN = re.compile(r'[\x00-\x1f\x7f/\\:*?"<>|]')
# Names that Windows does not allow for files.
DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


def require_name(name: str) -> str:
    """Return the name of a new preset without surrounding blanks.

    Raises TrackSettingError if it is not a valid file name, or is the name of a shipped preset.
    """
    name = name.strip()
    if not name or len(name) > LONGEST or FORBIDDEN.search(name) or name[0] == "." or name[-1] == ".":
        raise TrackSettingError(
            f'{name[:LONGEST]!r} cannot name a preset: use 1 to {LONGEST} characters without / \\ : * ? " < > | '
            "and without a dot at either end.",
            "name",
            name,
        )
    if DEVICES.fullmatch(name) or name in (*PRESETS, "none"):
        raise TrackSettingError(
            f"{name!r} cannot name a preset because the name is taken: choose another one.", "name", name
        )
    return name


def save(path: str | os.PathLike, track: FaceTrack, picture: np.ndarray) -> None:
    """Write the first frame of a track, with its head pose relative to a
    straight look, and an (H, W, 3) uint8 picture.

    Raises NoCoefficientsError for a track without coefficients, FileError if the file cannot be written.
    """
    if track.coefficients is None:
        raise NoCoefficientsError(
            f"The track of {track.source} has no expression coefficients, so there is no expression to save.",
            track.source,
        )
    values = {name: round(float(v), 4) for name, v in zip(ARKIT_51, track.coefficients[0]) if v}
    head = {name: round(float(v), 2) for name, v in zip(ANGLES, np.degrees(track.rotation[0]))}
    content = {"format": FORMAT, "version": VERSION, "coefficients": values, "head": head}
    with written(path) as file:
        text = json.dumps(content | {"picture": _encoded(picture)}, ensure_ascii=False, indent=1)
        file.write(text.encode("utf-8"))


def load(path: str | os.PathLike) -> FaceTrack:
    """Read a preset as a track of one frame. Raises TrackFileError for a file that `save` did not write."""
    try:
        if os.path.getsize(path) > LARGEST:
            raise Damaged(f"it is larger than {LARGEST >> 20} MB")
        with open(path, encoding="utf-8") as file:
            content = json.load(file)
        if content["format"] != FORMAT or content["version"] > VERSION:
            raise Damaged(f"its format is {content['format']!r}, version {content['version']!r}")
        values = np.zeros((1, len(ARKIT_51)), np.float32)
        for name, value in content["coefficients"].items():
            values[0, ARKIT_51.index(name)] = _within(value, 0.0, 1.0)
        head = [_within(content["head"][name], -MOST_DEGREES, MOST_DEGREES) for name in ANGLES]
    except (Damaged, OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise TrackFileError(
            f"{path} is not a preset saved by this pack, or it is damaged ({error}). Save it again, or delete the file.",
            str(path),
        ) from None
    return still_track(SOURCE, 1.0, values, rotation=np.radians(np.array([head], np.float32)))


def _within(value: float, low: float, high: float) -> float:
    value = float(value)
    if not (math.isfinite(value) and low <= value <= high):
        raise Damaged(f"{value:g} is not between {low:g} and {high:g}")
    return value


def _encoded(picture: np.ndarray) -> str:
    """Encode the central square of an (H, W, 3) uint8 picture as a data URL."""
    side = min(picture.shape[:2])
    top, left = (picture.shape[0] - side) // 2, (picture.shape[1] - side) // 2
    square = picture[top : top + side, left : left + side]
    small = cv2.resize(square, (PICTURE, PICTURE), interpolation=cv2.INTER_AREA)
    _, file = cv2.imencode(".jpg", small[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    return DATA + base64.b64encode(file.tobytes()).decode("ascii")
