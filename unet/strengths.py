"""How strongly something acts where, when and in which frame: what multiplies its one strength."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from .clip.curve import Curve, percent
from .clip.frames import Rows
from .clip.run import Run
from .feature_cache import Placement, There


@dataclass(frozen=True)
class Strengths:
    """Factors, each 1 where nothing is said.

    stations: by the station's name
    steps:    over a sampling run, by percent of its steps: 0 is the first, 100 the last
    frames:   over the clip, by frame
    """

    stations: Mapping[str, float] = field(default_factory=dict)
    steps: Curve | None = None
    frames: Curve | None = None

    def at_station(self, station: object) -> float:
        return self.stations.get(station, 1.0)

    def at_step(self, run: Run | None, sigma: float | None) -> float:
        """At this noise level of a run; 1 outside of one."""
        if self.steps is None or run is None:
            return 1.0
        return self.steps.at(percent(run.step_of(sigma), len(run.levels)))[0]

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
