"""FaceTrack: what is known of one face in every frame of a clip, one row a frame, always."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, fields, replace

import numpy as np

FORMAT_VERSION = 1


class TrackError(ValueError):
    """A track, or the clip it was to be made from, cannot be used; the message says why in one sentence."""


@dataclass(frozen=True)
class FaceTrack:
    """One face over F frames. Row k belongs to frame k of the clip, also where no face was seen.

    source:        name of the tracker; a reference and a driver must carry the same one
    scheme:        name of the landmark scheme: "mediapipe478" or "hello222"
    fps:           frames a second
    size:          (width, height) of the frames, pixels
    valid:         (F,) bool, True where the face was measured; False where the row was held or interpolated
    box:           (F, 4) float32, x0 y0 x1 y1 of the landmarks, pixels
    landmarks:     (F, P, D) float32, D = 2 or 3; x right, y down, pixels; z on the scale of x, smaller is nearer
    rotation:      (F, 3) float32, radians (pitch, yaw, roll): R = Rz(roll) Ry(yaw) Rx(pitch) on column vectors, in a camera
                   frame with x right, y up, looking along -z
    translation:   (F, 3) float32, same frame, in the units of the published 3DMM (z < 0; focal length 4828.6 px at 512 px)
    coefficients:  (F, 51) float32 in the order of `coefficients.ARKIT_51`, 0..1, or None where the source gives none
    notes:         sentences that a user should see (held frames, experimental values)
    """

    source: str
    scheme: str
    fps: float
    size: tuple[int, int]
    valid: np.ndarray
    box: np.ndarray
    landmarks: np.ndarray
    rotation: np.ndarray
    translation: np.ndarray
    coefficients: np.ndarray | None = None
    notes: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        rows = {name: len(value) for name, value in self._arrays().items()}
        if len(set(rows.values())) != 1:
            raise TrackError(f"A face track needs one row a frame in every array, got {rows}.")

    def __len__(self) -> int:
        return len(self.valid)

    def _arrays(self) -> dict[str, np.ndarray]:
        return {f.name: v for f in fields(self) if isinstance(v := getattr(self, f.name), np.ndarray)}

    def replace(self, **changes) -> "FaceTrack":
        """The same track with some fields exchanged."""
        return replace(self, **changes)

    def rows(self, index) -> "FaceTrack":
        """The rows of `index` (slice or integer array), in that order."""
        return replace(self, **{name: value[index] for name, value in self._arrays().items()})

    def require_source(self, other: "FaceTrack") -> None:
        """Raise TrackError unless `other` was made by the same tracker: their head poses and coefficients do not mix."""
        if (self.source, self.scheme) != (other.source, other.scheme):
            raise TrackError(
                f"These tracks come from different sources, {self.source!r} and {other.source!r}: "
                "their head poses have different origins, so track both with the same source."
            )

    def save(self, path: str | os.PathLike) -> None:
        """Write the track to one compressed .npz file."""
        meta = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in self._arrays()}
        meta = {name: value for name, value in meta.items() if value is not None}
        np.savez_compressed(path, format_version=FORMAT_VERSION, **meta, **self._arrays())

    @classmethod
    def load(cls, path: str | os.PathLike) -> "FaceTrack":
        """Read a track that `save` wrote. Raises TrackError for another file or a newer version."""
        try:
            data = dict(np.load(path, allow_pickle=False))
            version = int(data.pop("format_version"))
        except (OSError, ValueError, KeyError, EOFError, AttributeError, TypeError) as error:
            raise TrackError(f"{path} is not a face track saved by this pack ({error}).") from None
        if version > FORMAT_VERSION:
            raise TrackError(f"{path} has track format {version}; this pack reads up to {FORMAT_VERSION}, so update the pack.")
        return cls(
            source=str(data.pop("source")),
            scheme=str(data.pop("scheme")),
            fps=float(data.pop("fps")),
            size=tuple(int(n) for n in data.pop("size")),
            notes=tuple(str(note) for note in data.pop("notes", ())),
            **data,
        )
