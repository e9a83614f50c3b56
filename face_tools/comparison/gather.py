"""Reads the frames of a result once and collects everything that the comparison needs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice

import numpy as np

from ..coefficients import ASSUMED_ORDER, CoefficientOrder
from ..editing.approximate import approximate_coefficients
from ..embedding import FaceEmbedder
from ..track import FaceTrack
from ..track_errors import TrackError
from ..trackers.faces import Face, Source
from ..trackers.straight_look import alike
from .evidence import Evidence, Identity
from .limits import TrackerError, sampled, tracker_error
from .looks import aligned_face, chip, cosine, likeness_to_most
from .pixels import motion

Frames = Callable[[], Iterable[np.ndarray]]  # (H, W, 3) uint8 RGB frames, from the beginning at each call
MOST_EMBEDDED = 64


@dataclass
class Watched:
    """Data kept from the frames while they pass: a chip of each face, aligned
    faces for the embedding, and a few whole frames.
    """

    track: FaceTrack
    chips: list[np.ndarray] = field(default_factory=list)
    faces: dict[int, np.ndarray] = field(default_factory=dict)
    whole: list[np.ndarray] = field(default_factory=list)

    def pass_on(self, frames: Iterable[np.ndarray], tick: Callable[[int], None]) -> Iterator[np.ndarray]:
        """Yield the frames unchanged, and store the needed data of each frame with a face."""
        seen = np.flatnonzero(self.track.valid)
        embedded, looked_at = (
            {int(seen[k]) for k in sampled(len(seen), most)} for most in (MOST_EMBEDDED, 12)
        )
        for k, frame in enumerate(frames):
            if self.track.valid[k] and self.track.landmarks.shape[1]:
                face = aligned_face(frame, self.track.landmarks[k], self.track.scheme)
                self.chips.append(chip(face))
                if k in embedded:
                    self.faces[k] = face
            if k in looked_at:
                self.whole.append(frame)
            yield frame
            tick(k + 1)


def gather(
    driver: FaceTrack,
    result: FaceTrack,
    frames: Frames,
    driver_frames: Frames | None = None,
    portrait: np.ndarray | None = None,
    source: Source | None = None,
    embedder: FaceEmbedder | None = None,
    tick: Callable[[int], None] = lambda done: None,
) -> tuple[Evidence, TrackerError | None]:
    """Return the evidence for `compare`, with both pitch angles relative
    to the same zero, and the error of the tracker.

    portrait: (H, W, 3) uint8, the person to compare with; used only with `source`, which finds the face in
      it, and `embedder`
    source:   the tracker that read the result; None = its error is not measured
    tick:     called after each frame of the result; exceptions that it raises are propagated
    """
    result, _ = alike(result, driver)
    Evidence(driver, result)  # raises before any frame is read
    watched = Watched(result)
    moved = motion(watched.pass_on(frames(), tick))
    identities = tuple(filter(None, (_to_portrait(watched, portrait, source, embedder), _to_itself(watched))))
    asked = None if driver_frames is None else motion(driver_frames())
    error = None if source is None else tracker_error(source, watched.whole)
    return Evidence(driver, result, moved, asked, identities), error


def with_coefficients(track: FaceTrack, order: CoefficientOrder = ASSUMED_ORDER) -> FaceTrack:
    """Return the track, with coefficients estimated from its
    landmarks if it has none and the landmarks allow it.
    """
    if track.coefficients is not None:
        return track
    try:
        return approximate_coefficients(track, order=order)
    except TrackError:
        return track


def picked(frames: Iterable[np.ndarray], numbers: Collection[int]) -> dict[int, np.ndarray]:
    """Return {frame number: frame} for these numbers; reads no further than the last one."""
    return {k: frame for k, frame in enumerate(islice(frames, max(numbers) + 1)) if k in numbers}


def largest(faces: list[Face]) -> Face | None:
    """Return the face with the largest box, or None if there is no face."""
    return max(faces, key=lambda face: float(np.prod(face.box[2:] - face.box[:2])), default=None)


def _to_portrait(
    watched: Watched, portrait, source: Source | None, embedder: FaceEmbedder | None
) -> Identity | None:
    if portrait is None or source is None or embedder is None or not watched.faces:
        return None
    face = largest(source.glance(portrait))
    if face is None:
        return None
    own = embedder.of_faces([aligned_face(portrait, face.landmarks, source.scheme)])[0]
    frames = np.array(sorted(watched.faces))
    vectors = embedder.of_faces([watched.faces[k] for k in frames])
    return Identity(frames, cosine(vectors, own), f"ArcFace ({embedder.name})", True)


def _to_itself(watched: Watched) -> Identity | None:
    if len(watched.chips) < 2:
        return None
    return Identity(
        np.flatnonzero(watched.track.valid), likeness_to_most(np.stack(watched.chips)), "looks", False
    )
