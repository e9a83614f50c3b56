"""Factors of a strength per block boundary, step and frame."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from .clip.curve import PLACES, Curve, percent
from .clip.frames import Rows
from .clip.run import Run
from .feature_cache import TargetDevice, There


@dataclass(frozen=True)
class Strengths:
    """Factors that multiply a strength, 1 by default.

    boundaries: per block boundary
    steps:    curve over percent of the sampling; sampling steps are counted if `schedule` is given, otherwise
      noise levels (as for start and end percent)
    frames:   per frame of the clip
    schedule: all sigmas of the run (steps,); empty = count noise levels
    """

    boundaries: Mapping[str, float] = field(default_factory=dict)
    steps: Curve | None = None
    frames: Curve | None = None
    schedule: tuple[float, ...] = ()

    def at_boundary(self, boundary: object) -> float:
        return self.boundaries.get(boundary, 1.0) if isinstance(boundary, str) else 1.0

    def at_step(self, run: Run | None, sigma: float | None) -> float:
        """Factor at this noise level; 1 outside a run."""
        if self.steps is None or run is None:
            return 1.0
        assert sigma is not None, "inside of a run every call has a noise level"
        place = self._step_percent(sigma) if self.schedule else 100 * run.percent_of(sigma)
        return self.steps.at(round(place, PLACES))[0]

    def _step_percent(self, sigma: float) -> float:
        """Percent of the schedule's steps at a noise level, interpolated between steps."""
        levels, steps = zip(*sorted((level, step) for step, level in enumerate(self.schedule)))
        return percent(float(np.interp(sigma, levels, steps)), len(self.schedule))

    def in_frames(self, rows: Rows) -> tuple[float, ...]:
        """Return the factor of each item of a call.

        Raises FrameCountError for a list that is not as long as the clip.
        """
        return (1.0,) if self.frames is None else self.frames.of(rows, "list of strengths")


EVEN = Strengths()


class RowWeights:
    """Caches the factors per item as tensors; each is copied to the target device once per run."""

    def __init__(self):
        self._there: dict[tuple[tuple[float, ...], There], Tensor] = {}

    def at(self, values: tuple[float, ...], factor: float, target: TargetDevice) -> Tensor | None:
        """Return values times factor as (B or 1, 1, 1, 1); None if all are 1."""
        if factor == 1.0 and set(values) == {1.0}:
            return None
        key = values, target.there
        if key not in self._there:
            self._there[key] = torch.tensor(values, device=target.device, dtype=target.dtype)[
                :, None, None, None
            ]
        return self._there[key] * factor

    def release(self) -> None:
        """Free what was kept for a run."""
        self._there.clear()
