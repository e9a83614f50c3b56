"""The host's own face landmarker as a tracker of frames that come one after the other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

import numpy as np

from ...face_tools.coefficients import CoefficientOrder
from ...face_tools.track import TrackError
from ...face_tools.trackers.faces import Face
from ...face_tools.trackers.host_landmarks import NAME, SCHEME, HostLandmarks

BATCH = 16  # frames a call, as the host's own node
SURE = 0.5  # its default confidence
NEAR, FAR = "short", "full"  # the host's names for its two detectors


class HostTracker:
    """See `faces.Source`. Its tracks are those of Track Face from Landmarks: both may meet in one graph.

    model: what Load Face Detection Model (MediaPipe) gives. Raises TrackError for another detector.
    """

    name, scheme, gives_coefficients = NAME, SCHEME, True

    def __init__(self, model, order: CoefficientOrder):
        if not hasattr(model, "detect_batch"):
            raise TrackError(f"Load Face Detection Model (MediaPipe) is needed here; this is a {type(model).__name__}.")
        self._model, self._order = model, order
        self.notes = HostLandmarks({"frames": [], "image_size": (0, 0)}, order).notes

    def track(self, frames: Iterable[np.ndarray]) -> Iterator[list[Face]]:
        frames = iter(frames)
        while batch := list(islice(frames, BATCH)):
            found = self._detect(batch, NEAR)
            lost = [k for k, faces in enumerate(found) if not faces]
            for k, faces in zip(lost, self._detect([batch[k] for k in lost], FAR) if lost else ()):
                found[k] = faces
            yield from HostLandmarks({"frames": found, "image_size": batch[0].shape[:2]}, self._order).track(batch)

    def glance(self, frame: np.ndarray) -> list[Face]:
        return next(self.track([frame]))

    def _detect(self, batch: list[np.ndarray], variant: str) -> list[list[dict]]:
        return list(self._model.detect_batch(batch, num_faces=0, score_thresh=SURE, variant=variant))

    def close(self) -> None:
        """The host keeps the network."""

    def __enter__(self) -> HostTracker:
        return self

    def __exit__(self, *exc) -> None:
        self.close()
