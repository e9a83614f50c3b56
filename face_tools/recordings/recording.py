"""A recorded face performance with times of its own (Live Link Face, ARKit), and how it becomes a track at a fixed rate."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..coefficients import ASSUMED_ORDER, CoefficientOrder, experimental_note
from ..track import FaceTrack, require_length
from ..track_errors import TrackSettingError

NO_LANDMARKS = "none"  # landmark scheme of a track that has no picture
SIZE = (512, 512)
# Such a track has no place in a picture either: a head straight ahead whose box is the third of the frame that the official crop
# rule gives it, at the depth where a head of average width looks that large.
BOX = (171.0, 171.0, 341.0, 341.0)
TRANSLATION = (0.0, 0.0, -4.0)
MAX_GAP = 2.5  # times the usual distance of two samples; a longer one counts as lost and what is between is interpolated


@dataclass(frozen=True)
class Recording:
    """N samples of a performance.

    source:       name that the track will carry
    times:        (N,) seconds, increasing
    coefficients: (N, 51) in the order of ARKIT_51, 0..1
    rotation:     (N, 3) radians (pitch, yaw, roll) or None
    notes:        sentences that a user should see
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
        """Sample the recording at `fps`, linear in time. Frame 0 lies `offset` seconds after the recording's first sample.

        A negative offset holds the first sample until the recording starts. Repeated frames and frames inside a gap are not `valid`.
        Raises TrackError where the offset lies behind the end, or the track would be longer than any.
        """
        if fps <= 0:
            raise TrackSettingError(f"The frame rate of a track is above 0, got {fps:g}.", "fps", fps)
        if offset > self.duration:
            raise TrackSettingError(
                f"The offset of {offset:g} s lies behind the end of the recording, which lasts {self.duration:.2f} s.",
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
    """A track of coefficients (F, 51) without a picture: no landmarks, the head where SIZE, BOX and TRANSLATION put it."""
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
    """(N, C) values at `own` times (N,) -> (T, C) float32 at `times` (T,), linear, held at the ends."""
    return np.stack([np.interp(times, own, column) for column in values.T], axis=1).astype(np.float32)


def measured(times: np.ndarray, own: np.ndarray) -> np.ndarray:
    """(T,) bool: True where `times` lie inside the recording and not in a gap."""
    usual = np.median(np.diff(own)) if len(own) > 1 else 0.0
    after = np.searchsorted(own, times - 1e-9).clip(0, len(own) - 1)
    gap = own[after] - own[np.maximum(after - 1, 0)]
    on_sample = np.abs(own[after] - times) < 1e-6
    inside = (times >= own[0] - 1e-6) & (times <= own[-1] + 1e-6)
    return inside & (on_sample | (gap <= MAX_GAP * usual))


def clipped(coefficients: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    """Coefficients brought into 0..1, and the sentence that counts what was outside, if anything was."""
    outside = int(((coefficients < 0) | (coefficients > 1)).sum())
    if not outside:
        return coefficients, ()
    span = f"down to {coefficients.min():.2f}, up to {coefficients.max():.2f}"
    note = f"{outside} of {coefficients.size} coefficients lay outside 0..1 ({span}) and were clipped."
    return coefficients.clip(0, 1), (note,)
