"""The measured data of a driver and a result, frame by frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..track import FaceTrack
from ..track_errors import NoFaceError, TrackLengthError
from .curves import CURVES
from .pixels import Motion


@dataclass(frozen=True)
class Identity:
    """Similarity of the faces in some frames of the result.

    frames:     (N,) frame numbers
    similarity: (N,) cosine, -1..1: to the portrait if `to_portrait`, else to the person shown most of the
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
    """Raise TrackError unless a driving track and a result have the same number of frames."""
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
    """A driver and a result with the same number of frames; pictures and identity are optional.

    motion, driver_motion: motion of the result's and of the driver's pictures
    identities: measured similarities of the face

    Raises TrackError if the tracks differ in length, or if no frame has a face in both.
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
        """Return a curve of the driver and of the result over the frames
        `at`; None if one of them has no coefficients.
        """
        driver, result = (CURVES[name].of(track) for track in (self.driver, self.result))
        if driver is None or result is None:
            return None
        return driver[self.at], result[self.at]
