"""Reads ARKit face recordings from JSON. There is no standard; two plain forms are supported."""

from __future__ import annotations

import json
import os

import numpy as np

from ..coefficients import ARKIT_51, canonical_name
from ..geometry import rotation_angles
from ..track_errors import TrackError, TrackFileError
from .recording import Recording, clipped

SOURCE = "arkit-json"
SLOWEST = 1.0  # largest usual distance of two samples, seconds; no performance is recorded more slowly
FORMS = (
    'expected a list of frames {"time": seconds, "blendShapes": {name: value}, "transform": 16 numbers (optional)} '
    'or {"fps": number, "names": [51 names], "frames": [[51 numbers], ...]}'
)


def read_arkit_json(path: str | os.PathLike) -> Recording:
    """Read a recording.

    Names in any case, with `_L`/`_R` or Left/Right; tongueOut and unknown names are ignored.

    `transform` is ARKit's 4x4 matrix in column-major order. Only its rotation is used (x to the viewer's
    right, y up, z out of the face, as in a track); its position refers to a room that is unknown here. Raises
    TrackError for any other file.
    """
    try:
        with open(path, encoding="utf-8-sig") as file:
            data = json.load(file)
    except (OSError, ValueError, RecursionError) as error:
        raise TrackFileError(f"{path} cannot be read as JSON ({error}).", str(path)) from None
    try:
        if isinstance(data, list) and data:
            times, values, rotation = _frames(data, path)
        elif isinstance(data, dict) and data.get("frames"):
            times, values, rotation = *_table(data, path), None
        else:
            raise TrackFileError(f"{path} has no frames. An ARKit recording is needed: {FORMS}.", str(path))
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        if isinstance(error, TrackError):
            raise
        raise TrackFileError(
            f"{path} is not an ARKit recording ({type(error).__name__}: {error}). {FORMS}.", str(path)
        ) from None
    if not all(np.isfinite(part).all() for part in (times, values)):
        raise TrackFileError(f"{path} holds numbers that are not finite.", str(path))
    if np.any(np.diff(times) <= 0):
        k = int(np.flatnonzero(np.diff(times) <= 0)[0])
        early, late = times[k + 1], times[k]
        raise TrackFileError(
            f"{path}: times must rise, but frame {k + 1} is at {early:g} s after frame {k} at {late:g} s.",
            str(path),
        )
    usual = float(np.median(np.diff(times))) if len(times) > 1 else 0.0
    if usual > SLOWEST:
        raise TrackFileError(
            f"{path}: times count seconds, and these lie {usual:g} apart: they look like milliseconds, so divide them.",
            str(path),
        )
    coefficients, notes = clipped(values)
    return Recording(SOURCE, times, coefficients, rotation, notes)


def _frames(frames: list[dict], path) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    times = np.array([float(frame["time"]) for frame in frames])
    values = np.array([_by_name(frame["blendShapes"].items(), path, k) for k, frame in enumerate(frames)])
    if not all("transform" in frame for frame in frames):
        return times, values, None
    numbers = np.array([frame["transform"] for frame in frames], dtype=np.float64)
    if numbers.shape != (len(frames), 16) or not np.isfinite(numbers).all():
        raise TrackFileError(f"{path}: every transform must hold 16 finite numbers.", str(path))
    matrices = numbers.reshape(-1, 4, 4).swapaxes(1, 2)
    return times, values, rotation_angles(matrices[:, :3, :3])


def _table(data: dict, path) -> tuple[np.ndarray, np.ndarray]:
    fps, names = float(data["fps"]), data["names"]
    if fps <= 0:
        raise TrackFileError(f"{path}: fps is {fps:g}; it must be above 0.", str(path))
    for k, row in enumerate(data["frames"]):
        if len(row) != len(names):
            raise TrackFileError(f"{path}, frame {k}: {len(row)} numbers for {len(names)} names.", str(path))
    values = [_by_name(zip(names, row), path, k) for k, row in enumerate(data["frames"])]
    return np.arange(len(values)) / fps, np.array(values)


def _by_name(pairs, path, k: int) -> list[float]:
    given = {canonical_name(name): float(value) for name, value in pairs}
    absent = [name for name in ARKIT_51 if name not in given]
    if absent:
        raise TrackFileError(f"{path}, frame {k} lacks {', '.join(absent)}.", str(path))
    return [given[name] for name in ARKIT_51]
