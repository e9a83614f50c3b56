"""The curves in which two performances are compared: head angles, and named groups of coefficients."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..coefficients import ARKIT_51
from ..track import FaceTrack

ANGLES = ("pitch", "yaw", "roll")


@dataclass(frozen=True)
class Curve:
    """One number per frame of a track.

    angle:  index of a head angle, or None
    plus:   coefficients whose mean is added
    minus:  coefficients whose mean is subtracted
    lively: range (5th to 95th percentile) from which the curve counts as moving: degrees, or 0..1 for
      coefficients
    """

    lively: float
    angle: int | None = None
    plus: tuple[str, ...] = ()
    minus: tuple[str, ...] = ()

    @property
    def unit(self) -> str:
        return "0..1" if self.angle is None else "degrees"

    def of(self, track: FaceTrack) -> np.ndarray | None:
        """Return (F,) float64, degrees or 0..1; None if the track has no coefficients."""
        if self.angle is not None:
            return self.degrees(track)
        if track.coefficients is None:
            return None
        return _mean(track.coefficients, self.plus) - _mean(track.coefficients, self.minus)

    def degrees(self, track: FaceTrack) -> np.ndarray:
        """(F,) float64 degrees of a head angle, which every track has."""
        return np.degrees(track.rotation[:, self.angle].astype(np.float64))


def _sides(*names: str) -> tuple[str, ...]:
    return tuple(name + side for name in names for side in ("Left", "Right"))


# Left and Right are the subject's: the left eye looking out and the right
# eye looking in is to the right of the picture.
CURVES = {
    **{name: Curve(6.0, angle=index) for index, name in enumerate(ANGLES)},
    "jaw": Curve(0.12, plus=("jawOpen",)),
    "blink": Curve(0.25, plus=_sides("eyeBlink")),
    "smile": Curve(0.15, plus=_sides("mouthSmile")),
    "brows": Curve(0.15, plus=("browInnerUp", *_sides("browOuterUp")), minus=_sides("browDown")),
    "gaze across": Curve(
        0.2, plus=("eyeLookOutLeft", "eyeLookInRight"), minus=("eyeLookInLeft", "eyeLookOutRight")
    ),
    "gaze up": Curve(0.2, plus=_sides("eyeLookUp"), minus=_sides("eyeLookDown")),
}


def span(values: np.ndarray) -> float:
    """Range from the 5th to the 95th percentile, so that a single frame has no influence."""
    low, high = np.percentile(values, (5, 95))
    return float(high - low)


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Pearson correlation of two curves, -1..1; nan if one of
    them is constant or has fewer than three frames.
    """
    if len(a) < 3 or np.std(a) < 1e-9 or np.std(b) < 1e-9:
        return float("nan")
    return float(np.corrcoef(a, b)[0, 1])


def gain(driver: np.ndarray, result: np.ndarray) -> float:
    """Movement of the result per movement of the driver: the least-squares
    slope about both means; nan for a constant driver.
    """
    asked = driver - driver.mean()
    power = float(asked.ravel() @ asked.ravel())
    return (
        float(((result - result.mean()).ravel() @ asked.ravel()) / power) if power > 1e-12 else float("nan")
    )


def lag(driver: np.ndarray, result: np.ndarray, most: int = 5) -> int:
    """Delay in frames of the result's curves (F, n) behind the driver's; negative = early, 0 = unclear.

    Both are scaled to unit deviation. The shift with the smallest squared difference is returned if that is
    clearly below the difference at 0. most: largest shift to try.
    """
    scale = np.maximum(driver.std(0), 1e-9)
    a, b = ((values - values.mean(0)) / scale for values in (driver, result))
    most = min(most, len(a) // 4)
    errors = {shift: _shifted_error(a, b, shift) for shift in range(-most, most + 1)}
    best = min(errors, key=lambda shift: (errors[shift], abs(shift)))
    return best if errors[best] < 0.8 * errors[0] else 0


def _shifted_error(a: np.ndarray, b: np.ndarray, shift: int) -> float:
    late = b[max(shift, 0) : len(b) + min(shift, 0)]
    early = a[max(-shift, 0) : len(a) - max(shift, 0)]
    return float(((late - early) ** 2).mean())


def _mean(coefficients: np.ndarray, names: tuple[str, ...]) -> np.ndarray:
    if not names:
        return np.zeros(len(coefficients))
    return coefficients[:, [ARKIT_51.index(name) for name in names]].astype(np.float64).mean(1)
