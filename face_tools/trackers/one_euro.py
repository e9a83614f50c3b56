"""The official smoothing of the 222 landmarks: one One-Euro filter per facial
group, with a time step that depends on the motion.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Group:
    """One facial group of the "hello222" scheme.

    points:  its landmarks
    measure: the landmarks whose mean motion sets the filter's rate
    still:   motion below which the group counts as still, fraction of the face's width
    slow, fast: the filter's rate at the motion `still`, and from FAST_MOTION on
    """

    points: slice
    measure: slice
    still: float
    slow: float
    fast: float


# The official Smoother222 (hellomeme/tools/hello_camera_demo.py).
# Only the lower part of the outline sets its rate.
GROUPS = {
    "outline": Group(slice(0, 33), slice(9, 24), 0.005, 0.05, 0.3),
    "nose": Group(slice(33, 48), slice(33, 48), 0.003, 0.03, 0.7),
    "brows": Group(slice(48, 74), slice(48, 74), 0.003, 0.02, 0.5),
    "image-left eye": Group(slice(74, 96), slice(74, 96), 0.003, 0.03, 0.7),
    "image-right eye": Group(slice(96, 118), slice(96, 118), 0.003, 0.03, 0.7),
    "mouth": Group(slice(118, 182), slice(118, 182), 0.003, 0.05, 0.7),
    "image-left pupil": Group(slice(182, 202), slice(182, 202), 0.003, 0.03, 0.7),
    "image-right pupil": Group(slice(202, 222), slice(202, 222), 0.003, 0.03, 0.7),
}
FAST_MOTION = 0.02  # fraction of the face's width, for every group
POINTS = 222
DERIVATIVE_CUTOFF = MIN_CUTOFF = 1.0


@dataclass
class LandmarkSmoother:
    """Causal smoothing of one face's 222 landmarks; one object per face."""

    previous: np.ndarray | None = None
    speed: np.ndarray = field(default_factory=lambda: np.zeros((POINTS, 2)))

    def __call__(self, points: np.ndarray, face_width: float) -> np.ndarray:
        """Smooth the next frame's points (222, 2) -> (222, 2). face_width: pixels, scales the motion."""
        if self.previous is None:
            self.previous = points.copy()
            return points
        motion = np.linalg.norm(points - self.previous, axis=1) / face_width
        smooth = points.copy()
        for group in GROUPS.values():
            rate = filter_rate(group, float(motion[group.measure].mean()))
            # A group that repeats exactly has rate 0, where the official filter divides 0 by 0 and returns
            # NaN from then on. The limit is to keep the position and the last speed.
            if rate == 0:
                smooth[group.points] = self.previous[group.points]
                continue
            smooth[group.points], self.speed[group.points] = one_euro(
                points[group.points], self.previous[group.points], self.speed[group.points], rate
            )
        self.previous = smooth
        return smooth


def filter_rate(group: Group, motion: float) -> float:
    """The rate (both time step and beta) of a group whose points moved by `motion` face widths."""
    if motion < group.still:
        return group.slow * motion / group.still
    return float(np.interp(motion, (group.still, FAST_MOTION), (group.slow, group.fast)))


def one_euro(
    x: np.ndarray, x_before: np.ndarray, speed_before: np.ndarray, rate: float
) -> tuple[np.ndarray, np.ndarray]:
    """One step of the One-Euro filter (Casiez 2012) with time step and beta both `rate`.

    Returns (smoothed, speed).
    """
    a = _factor(rate, DERIVATIVE_CUTOFF)
    speed = a * (x - x_before) / rate + (1 - a) * speed_before
    a = _factor(rate, MIN_CUTOFF + rate * np.abs(speed))
    return a * x + (1 - a) * x_before, speed


def _factor(step, cutoff):
    r = 2 * np.pi * step * cutoff
    return r / (1 + r)
