"""Limits of a comparison: coefficients that a tracker never moves,
estimated coefficients, and the tracker's own error.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from ..coefficients import ARKIT_51
from ..track import FaceTrack
from ..trackers.faces import Face, Source
from .curves import span
from .distances import expression_distance, pose_distance

STILL = 0.05  # range below which a coefficient is not compared
# Measured on 30 real clips: the blendshape network of face_landmarker.task, which
# ComfyUI's landmarker also uses, never moves these.
NEVER_READ = (
    "cheekPuff", "cheekSquintLeft", "cheekSquintRight", "jawForward", "jawLeft", "mouthClose",
    "mouthFrownLeft", "mouthFrownRight", "noseSneerLeft", "noseSneerRight",
)  # fmt: skip
# Mirroring swaps the sides of a face.
MIRRORED = [
    ARKIT_51.index(name.replace("Left", "\0").replace("Right", "Left").replace("\0", "Right"))
    for name in ARKIT_51
]
SAMPLES = 12


def is_approximate(track: FaceTrack) -> bool:
    """Whether coefficients of the track were estimated from landmarks."""
    return any("pproximate" in note for note in track.notes)


def compared(driver: FaceTrack, result: FaceTrack, at: np.ndarray) -> list[str]:
    """Return the names of the coefficients to compare: those that move in either track over the frames
    `at`, and that the tracker reads.
    """
    if driver.coefficients is None or result.coefficients is None:
        return []
    asked, read = driver.coefficients[at], result.coefficients[at]
    estimated = is_approximate(result)

    def counts(column: int, name: str) -> bool:
        if name in NEVER_READ or estimated and not read[:, column].any():
            return False
        return max(span(asked[:, column]), span(read[:, column])) > STILL

    return [name for column, name in enumerate(ARKIT_51) if counts(column, name)]


@dataclass(frozen=True)
class TrackerError:
    """Difference between a tracker's readings of frames and of their mirror images.

    pose:       degrees, mean of the three angles
    expression: 0..1, mean of the coefficients, or None if the tracker gives none
    frames:     number of frames read

    Both readings have the error, so their mean difference is divided by the square root of 2. A bias that
    does not change under mirroring, such as a constant pitch, is not included.
    """

    pose: float
    expression: float | None
    frames: int

    def words(self) -> str:
        expression = "" if self.expression is None else f", {self.expression:.3f} of expression"
        return f"{self.pose:.1f} degrees of pose{expression} (mirrored, {self.frames} frames)"


def sampled(count: int, most: int = SAMPLES) -> list[int]:
    """Up to `most` frame numbers, evenly spaced over `count`."""
    return sorted({int(k) for k in np.linspace(0, count - 1, min(count, most)).round()})


def tracker_error(source: Source, frames: Iterable[np.ndarray]) -> TrackerError | None:
    """Read (H, W, 3) uint8 frames and their mirror images.

    None if no frame shows exactly one face both times.
    """
    poses, expressions = [], []
    for frame in frames:
        seen, other = source.glance(frame), source.glance(np.ascontiguousarray(frame[:, ::-1]))
        if len(seen) != 1 or len(other) != 1:
            continue
        face, turned = seen[0], mirrored_face(other[0])
        poses.append(pose_distance(np.degrees(face.angles), np.degrees(turned.angles)))
        if face.coefficients is not None and turned.coefficients is not None:
            expressions.append(expression_distance(face.coefficients, turned.coefficients))
    if not poses:
        return None
    shared = np.sqrt(2)
    expression = float(np.mean(expressions) / shared) if expressions else None
    return TrackerError(float(np.mean(poses) / shared), expression, len(poses))


def mirrored_face(face: Face) -> Face:
    """Pose and coefficients of a face as in the mirrored picture; the landmarks stay unchanged."""
    coefficients = None if face.coefficients is None else face.coefficients[MIRRORED]
    return Face(
        face.landmarks,
        face.angles * np.array([1, -1, -1], np.float32),
        face.translation,
        coefficients,
        face.score,
    )
