"""Everything that is known of a driver and of the result that should follow it, frame by frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..track import FaceTrack
from ..track_errors import NoFaceError, TrackLengthError
from .curves import CURVES
from .pixels import Motion


@dataclass(frozen=True)
class Identity:
    """How alike the faces of some frames of the result are.

    frames:     (N,) frame numbers
    similarity: (N,) cosine, -1..1: to the portrait if `to_portrait`, else to what the clip shows most of the
                time
    method:     "ArcFace (file name)", or "looks" for the rough likeness of small upright pictures
    """

    frames: np.ndarray
    similarity: np.ndarray
    method: str
    to_portrait: bool

    @property
    def mean(self) -> float:
        return float(self.similarity.mean())


def require_one_length(driver: int, result: int) -> None:
    """Raise TrackError unless a driving track and a result have equally many frames."""
    if driver != result:
        raise TrackLengthError(
            "driving track",
            driver,
            "result",
            result,
            "they must be equal. Use the track that was drawn, after Retime Track.",
        )


@dataclass(frozen=True)
class Evidence:
    """A driver and a result of equally many frames; pictures and identity are optional.

    motion, driver_motion: of the frames of the result, and of those of the driver
    identities: what is known of who is seen
    Raises TrackError if the tracks differ in length or share no frame with a face.
    """

    driver: FaceTrack
    result: FaceTrack
    motion: Motion | None = None
    driver_motion: Motion | None = None
    identities: tuple[Identity, ...] = ()

    def __post_init__(self) -> None:
        require_one_length(len(self.driver), len(self.result))
        if not self.at.any():
            raise NoFaceError(
                "No frame shows a face in both the driver and the result, so there is nothing to compare."
            )

    @property
    def at(self) -> np.ndarray:
        """(F,) bool: frames in which both faces were detected."""
        return self.driver.valid & self.result.valid

    @property
    def same_tracker(self) -> bool:
        return (self.driver.source, self.driver.scheme) == (self.result.source, self.result.scheme)

    def curve(self, name: str) -> tuple[np.ndarray, np.ndarray] | None:
        """A curve of the driver and of the result over the frames `at`, or None if one of them has no
        coefficients."""
        driver, result = (CURVES[name].of(track) for track in (self.driver, self.result))
        if driver is None or result is None:
            return None
        return driver[self.at], result[self.at]
