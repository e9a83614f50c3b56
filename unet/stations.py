"""What happens at each block boundary of an SD1.5 UNet, without any host.

A station is a boundary: `down_i` after down block i, `mid` after the middle block, `up_i` before up block i. The order at every
station is that of the published code: the features are captured, the drive is added, the reference is attended to, the motion
module moves. On the way down, capture and drive come before the UNet stores its skip, so that the drive is part of the skip too;
reference and motion come after it and change the trunk only.
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch.nn.functional as F
from torch import Tensor

from .frames import Rows
from .run import Run, acts_in

DOWN = tuple(f"down_{i}" for i in range(4))
UP = tuple(f"up_{i}" for i in range(4))
STATIONS = (*DOWN, "mid", *UP)

CAPTURE, DRIVE, REFERENCE, MOTION = range(4)  # order of the actions at a station


class Call(NamedTuple):
    """One call of the UNet: which row is what, the time embedding (B, E) before any SiLU, the noise level, the sampling run."""

    rows: Rows
    emb: Tensor | None = None
    sigma: float | None = None
    run: Run | None = None


class Action(Protocol):
    """Something that acts at the stations `sites`: the call returns the new h (B, C, H, W), `release` ends a run."""

    order: int
    sites: Container[str]

    def __call__(self, station: str, h: Tensor, call: Call) -> Tensor: ...

    def release(self) -> None: ...


class Capture:
    """Keeps the features that pass the stations `sites`."""

    order = CAPTURE

    def __init__(self, sites: Container[str] = STATIONS):
        self.sites = sites
        self.features: dict[str, Tensor] = {}

    def __call__(self, station: str, h: Tensor, call: Call) -> Tensor:
        self.features[station] = h.clone()  # the UNet may go on in place
        return h

    def release(self) -> None:
        self.features = {}


@dataclass(frozen=True, eq=False)
class Weighted:
    """An action with the artist's wishes.

    strength: 1 is the published network, 0 leaves h as it is
    span:     (start, end) part of the sampling in which it acts, 0..1; None = always. What noise levels these are is read in the run,
              as for the host's ControlNets: a node behind may have changed the MODEL's schedule
    mask:     (F, H, W) or (1, H, W), 0..1, at any resolution; None = everywhere
    """

    action: Action
    strength: float = 1.0
    span: tuple[float, float] | None = None
    mask: Tensor | None = None

    def __call__(self, station: str, h: Tensor, call: Call) -> Tensor:
        if station not in self.action.sites or not acts_in(self.span, call.run, call.sigma):
            return h
        acted = self.action(station, h, call)
        if self.strength == 1.0 and self.mask is None:
            return acted
        return h + self._weight(h, call.rows) * (acted - h)

    def _weight(self, h: Tensor, rows: Rows) -> Tensor | float:
        if self.mask is None:
            return self.strength
        mask = self.mask
        if len(mask) > 1:
            rows.require_clip(len(mask), "mask")
            mask = mask[list(rows.frames)]
        return self.strength * F.interpolate(mask[:, None].to(h), size=h.shape[-2:], mode="bilinear", align_corners=False)


class Stations:
    """The actions of one patched MODEL, in the published order whatever the order in which nodes added them."""

    def __init__(self, actions: Iterable[Weighted]):
        self.actions = tuple(sorted(actions, key=lambda weighted: weighted.action.order))

    def before_skip(self, station: str, h: Tensor, call: Call) -> Tensor:
        """What the skip carries too: capture, drive."""
        return self._run(station, h, call, (CAPTURE, DRIVE))

    def after_skip(self, station: str, h: Tensor, call: Call) -> Tensor:
        """What changes the trunk only: reference, motion."""
        return self._run(station, h, call, (REFERENCE, MOTION))

    def all(self, station: str, h: Tensor, call: Call) -> Tensor:
        """Everything, where there is no skip to keep apart (mid, up)."""
        return self.after_skip(station, self.before_skip(station, h, call), call)

    def _run(self, station: str, h: Tensor, call: Call, orders: tuple[int, int]) -> Tensor:
        for weighted in self.actions:
            if weighted.action.order in orders:
                h = weighted(station, h, call)
        return h

    def release(self) -> None:
        """End of a run: drop what was kept for it."""
        for weighted in self.actions:
            weighted.action.release()
