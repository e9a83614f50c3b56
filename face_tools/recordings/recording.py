"""A recorded face performance with its own sample times (Live Link Face, ARKit), and its conversion to a
track of fixed frame rate.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..coefficients import ASSUMED_ORDER, CoefficientOrder, experimental_note
from ..track import FaceTrack, require_length
from ..track_errors import TrackSettingError

NO_LANDMARKS = "none"  # landmark scheme of a track without a picture
SIZE = (512, 512)
# Such a track has no position in a picture. It gets a head straight ahead with a box of a third of the frame,
# as the official crop rule gives, at the depth where a head of average width has that size.
BOX = (171.0, 171.0, 341.0, 341.0)
TRANSLATION = (0.0, 0.0, -4.0)
# Longest gap in multiples of the usual sample distance; frames
# inside a longer gap are interpolated and not valid.
MAX_GAP = 2.5


@dataclass(frozen=True)
class Recording:
    """A performance of N samples.

    source:       name for the track
    times:        (N,) seconds, increasing
    coefficients: (N, 51) in the order of ARKIT_51, 0..1
    rotation:     (N, 3) radians (pitch, yaw, roll) or None
    notes:        messages for the user
    """

    source: str
    times: np.ndarray
    coefficients: np.ndarray
    rotation: np.ndarray | None = None
    notes: tuple[str, ...] = ()

    @property
    def duration(self) -> float:
        """Seconds from the first sample to the last."""
        return float(self.times[-1] - self.times[0])

    def to_track(
        self, fps: float, offset: float = 0.0, head: bool = True, order: CoefficientOrder = ASSUMED_ORDER
    ) -> FaceTrack:
        """Sample the recording at `fps`, linear in time.

        Frame 0 is `offset` seconds after the first sample.

        With a negative offset the first sample is repeated until the recording starts. Repeated frames and
        frames inside a gap are not `valid`. head: include the head rotation. Raises TrackError if the offset
        is beyond the end, or the track would be too long.
        """
        if fps <= 0:
            raise TrackSettingError(f"The frame rate of a track is above 0, got {fps:g}.", "fps", fps)
        if offset > self.duration:
            raise TrackSettingError(
                f"The offset is {offset:g} s and the recording lasts {self.duration:.2f} s. Set a smaller offset.",
                "offset",
                offset,
            )
        count = require_length((self.duration - offset) * fps + 1, "The recording, its offset and its rate")
        own = self.times - self.times[0]
        times = offset + np.arange(count) / fps
        rotation = np.zeros((count, 3), np.float32)
        if head and self.rotation is not None:
            rotation = interpolate(times, own, np.unwrap(self.rotation, axis=0))
        note = experimental_note(order)
        return still_track(
            self.source, fps, interpolate(times, own, self.coefficients), rotation, measured(times, own),
            self.notes + ((note,) if note else ()),
        )  # fmt: skip


def still_track(source, fps, coefficients, rotation=None, valid=None, notes=()) -> FaceTrack:
    """Return a track of coefficients (F, 51) without a picture: no
    landmarks, head at SIZE, BOX and TRANSLATION.
    """
    count = len(coefficients)
    return FaceTrack(
        source=source,
        scheme=NO_LANDMARKS,
        fps=float(fps),
        size=SIZE,
        valid=np.ones(count, bool) if valid is None else valid,
        box=np.tile(np.array(BOX, np.float32), (count, 1)),
        landmarks=np.zeros((count, 0, 2), np.float32),
        rotation=np.zeros((count, 3), np.float32) if rotation is None else rotation,
        translation=np.tile(np.array(TRANSLATION, np.float32), (count, 1)),
        coefficients=np.asarray(coefficients, np.float32),
        notes=tuple(notes),
    )


def interpolate(times: np.ndarray, own: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Interpolate (N, C) values at `own` times (N,) linearly at `times`
    (T,) -> (T, C) float32; constant beyond the ends.
    """
    return np.stack([np.interp(times, own, column) for column in values.T], axis=1).astype(np.float32)


def measured(times: np.ndarray, own: np.ndarray) -> np.ndarray:
    """(T,) bool: `times` that are inside the recording and not in a gap."""
    usual = np.median(np.diff(own)) if len(own) > 1 else 0.0
    after = np.searchsorted(own, times - 1e-9).clip(0, len(own) - 1)
    gap = own[after] - own[np.maximum(after - 1, 0)]
    on_sample = np.abs(own[after] - times) < 1e-6
    inside = (times >= own[0] - 1e-6) & (times <= own[-1] + 1e-6)
    return inside & (on_sample | (gap <= MAX_GAP * usual))


def clipped(coefficients: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    """Clip coefficients to 0..1, and return a note that
    counts the clipped ones; no note if there are none.
    """
    outside = int(((coefficients < 0) | (coefficients > 1)).sum())
    if not outside:
        return coefficients, ()
    span = f"down to {coefficients.min():.2f}, up to {coefficients.max():.2f}"
    note = f"{outside} of {coefficients.size} coefficients lay outside 0..1 ({span}) and were clipped."
    return coefficients.clip(0, 1), (note,)
