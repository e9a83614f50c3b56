"""How strongly something acts where, when and in which frame: what multiplies its one strength."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from .clip.curve import PLACES, Curve, percent
from .clip.frames import Rows
from .clip.run import Run
from .feature_cache import Placement, There


@dataclass(frozen=True)
class Strengths:
    """Factors, each 1 where nothing is said.

    stations: by the station's name
    steps:    over the whole sampling, by percent: of the noise as in start and end percent, or of the steps of a schedule
    frames:   over the clip, by frame
    schedule: the noise levels of all steps (steps,) that the percents of `steps` count; empty = they are of the noise
    """

    stations: Mapping[str, float] = field(default_factory=dict)
    steps: Curve | None = None
    frames: Curve | None = None
    schedule: tuple[float, ...] = ()

    def at_station(self, station: object) -> float:
        return self.stations.get(station, 1.0)

    def at_step(self, run: Run | None, sigma: float | None) -> float:
        """At this noise level of a run; 1 outside of one."""
        if self.steps is None or run is None:
            return 1.0
        place = self._step_percent(sigma) if self.schedule else 100 * run.percent_of(sigma)
        return self.steps.at(round(place, PLACES))[0]

    def _step_percent(self, sigma: float) -> float:
        """Of the way from the first to the last step of the schedule; a level between two steps lies between them."""
        steps = sorted((level, step) for step, level in enumerate(self.schedule))
        return percent(float(np.interp(sigma, *zip(*steps))), len(self.schedule))

    def in_frames(self, rows: Rows) -> tuple[float, ...]:
        """Of each row of a call. Raises FrameCountError for a list of another length than the clip."""
        return (1.0,) if self.frames is None else self.frames.of(rows, "list of strengths")


EVEN = Strengths()


class RowWeights:
    """Numbers of rows where the UNet computes, brought there once a run."""

    def __init__(self):
        self._there: dict[tuple[tuple[float, ...], There], Tensor] = {}

    def at(self, values: tuple[float, ...], factor: float, placement: Placement) -> Tensor | None:
        """(B or 1, 1, 1, 1), each times the factor; None where all of that is 1."""
        if factor == 1.0 and set(values) == {1.0}:
            return None
        key = values, placement.there
        if key not in self._there:
            self._there[key] = torch.tensor(values, device=placement.device, dtype=placement.dtype)[:, None, None, None]
        return self._there[key] * factor

    def release(self) -> None:
        """End of a run."""
        self._there.clear()
