"""FaceTrack: landmarks, head pose and expression of one face, with exactly one entry per frame of a clip."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace

import numpy as np

from .track_errors import TrackError, TrackSettingError

POINTS = {
    "hello222": 222,
    "mediapipe478": 478,
    "none": 0,
}  # number of landmarks in each scheme; none: a track without a picture
ROWS = {
    "box": (4,),
    "landmarks": (None, None),
    "rotation": (3,),
    "translation": (3,),
    "coefficients": (51,),
    "crop": (3,),
}
KINDS = {"b": "bool", "f": "float"}
LONGEST_SIDE = 65536


MOST_ROWS = 500_000  # two hours at 60 frames per second


def require_length(rows: float, what: str) -> int:
    """Round `rows` down.

    Raises TrackError, which begins with `what`, if that is more frames than a track may have.
    """
    if not rows < MOST_ROWS:
        raise TrackSettingError(
            f"{what} would make a track of {rows:,.0f} frames; one has {MOST_ROWS:,} at most.", "frames", rows
        )
    return int(np.floor(rows + 1e-6))


@dataclass(frozen=True)
class FaceTrack:
    """One face over F frames. Entry k belongs to frame k of the clip, even if no face was detected in it.

    source:        name of the tracker; reference and driver must have the same one
    scheme:        landmark scheme: "mediapipe478", "hello222", or "none" without a picture
    fps:           frames per second
    size:          (width, height) of the frames, pixels
    valid:         (F,) bool, True if the face was detected; False if the frame is repeated or interpolated
    box:           (F, 4) float32, x0 y0 x1 y1 of the landmarks, pixels
    landmarks:     (F, P, D) float32, D = 2 or 3; x right, y down, pixels; z on the scale of x, smaller is
      nearer
    rotation:      (F, 3) float32, radians (pitch, yaw, roll): R = Rz(roll) Ry(yaw) Rx(pitch) on column
      vectors, in a camera frame with x right, y up, looking along -z
    translation:   (F, 3) float32, same frame, in the units of the official 3DMM (z < 0; focal length 4828.6
      px at 512 px)
    coefficients:  (F, 51) float32 in the order of `coefficients.ARKIT_51`, 0..1; None if the source gives
      none
    notes:         messages for the user (repeated frames, experimental values)
    crop:          (F, 3) float32 x, y and side of the square that each frame was cropped to, pixels of the
      whole frame; None if the frames are whole
    whole:         (width, height) of the whole frames, pixels; None if `crop` is
    pitch_zero:    radians of the tracker's own pitch that count as 0 in `rotation`; 0 = the tracker's own
      zero, as in all tracks before format 2. See `trackers.straight_look`

    Raises TrackError for an array of the wrong shape or dtype, a value that is not
    finite, or a rate or size that is not above 0.
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
    crop: np.ndarray | None = None
    whole: tuple[int, int] | None = None
    pitch_zero: float = 0.0

    def __post_init__(self) -> None:
        rows = {name: len(value) for name, value in self.arrays().items()}
        if len(set(rows.values())) != 1:
            raise TrackError(f"A face track needs one row per frame in every array, got {rows}.")
        if not len(self):
            raise TrackError("A face track has at least one row, and this one has none.")
        if not (np.isfinite(self.fps) and self.fps > 0):
            raise TrackError(f"The frame rate of a face track is above 0, got {self.fps:g}.")
        if not np.isfinite(self.pitch_zero):
            raise TrackError(f"The zero of a face track's pitch is a finite number, got {self.pitch_zero:g}.")
        for size in (self.size, self.whole or self.size):
            if len(size) != 2 or not all(0 < side <= LONGEST_SIDE for side in size):
                raise TrackError(f"Frames of a track measure 1 to {LONGEST_SIDE} pixels a side, got {size}.")
        if (self.crop is None) != (self.whole is None):
            raise TrackError("A cropped face track needs its squares and the size of the whole frames.")
        for name, value in self.arrays().items():
            self._check(name, value)
        if self.crop is not None and not (self.crop[:, 2] > 0).all():
            raise TrackError(f"A crop's squares have sides above 0, got {self.crop[:, 2].min():g}.")

    def _check(self, name: str, value: np.ndarray) -> None:
        shape, kind = ((), "b") if name == "valid" else (ROWS[name], "f")
        points = POINTS.get(self.scheme)
        fits = len(value.shape) == 1 + len(shape) and all(
            want in (None, have) for want, have in zip(shape, value.shape[1:])
        )
        if name == "landmarks" and fits:
            fits = points in (None, value.shape[1]) and value.shape[2] in (2, 3)
            shape = (points or "P", "2 or 3")
        if not fits or value.dtype.kind != kind:
            wanted = ", ".join(map(str, (len(self), *shape)))
            raise TrackError(
                f"{name} of a {self.scheme} face track is ({wanted}) {KINDS[kind]}, got {value.shape} {value.dtype}."
            )
        if kind == "f" and not (finite := np.isfinite(value)).all():
            row = int(np.flatnonzero(~finite.reshape(len(value), -1).all(1))[0])
            raise TrackError(
                f"{name} of a face track must be finite, and row {row} holds a number that is not."
            )

    def __len__(self) -> int:
        return len(self.valid)

    def arrays(self) -> dict[str, np.ndarray]:
        """The arrays that are not None, by name."""
        return {f.name: v for f in fields(self) if isinstance(v := getattr(self, f.name), np.ndarray)}

    def replace(self, **changes) -> "FaceTrack":
        """Return a copy with some fields replaced."""
        return replace(self, **changes)

    def rows(self, index) -> "FaceTrack":
        """Return the frames `index` (slice or integer array), in that order."""
        return replace(self, **{name: value[index] for name, value in self.arrays().items()})

    @property
    def own_rotation(self) -> np.ndarray:
        """(F, 3) rotation relative to the tracker's own zero; its inverse makes the landmarks upright."""
        return self.rotation + np.array([self.pitch_zero, 0, 0], np.float32)

    def uncropped(self) -> "FaceTrack":
        """Return the track without the squares of its crop, as if its frames were whole."""
        return replace(self, crop=None, whole=None)

    def require_source(self, other: "FaceTrack") -> None:
        """Raise TrackError unless `other` was made by the same tracker.

        Head poses and coefficients of two trackers cannot be combined.
        """
        if (self.source, self.scheme) != (other.source, other.scheme):
            raise TrackError(
                f"These tracks come from different sources, {self.source!r} and {other.source!r}: "
                "their head poses have different origins, so track both with the same source."
            )
