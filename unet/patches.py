"""What happens at each block boundary of an SD1.5 UNet, without any host.

A station is a boundary: `down_i` after down block i, `mid` after the middle block, `up_i` before up block i. The order at every
station is that of the published code: the features are captured, the drive is added, the reference is attended to, the motion
module moves. On the way down, capture and drive come before the UNet stores its skip, so that the drive is part of the skip too;
reference and motion come after it and change the trunk only.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from .clip.frames import Rows
from .clip.run import Run, acts_in, noise_level, run_of
from .feature_cache import Placement, Resident
from .strengths import EVEN, RowWeights, Strengths

DOWN = tuple(f"down_{i}" for i in range(4))
UP = tuple(f"up_{i}" for i in range(4))
STATIONS = (*DOWN, "mid", *UP)

CAPTURE, DRIVE, REFERENCE, MOTION = range(4)  # order of the actions at a station


class Call(NamedTuple):
    """One call of the UNet: `chunk` neighbouring rows are one window of one branch, `acting` are the actions of this call with what each
    prepared for it and the weight (B or 1, 1, H, W) of its rows, `emb` (B, E) is the time embedding before any SiLU.

    It holds tensors of stable shape and numbers that rarely change, never frames or noise levels: a compiled UNet reads it in every
    window and step, and a number that changes would compile it again.
    """

    chunk: int
    acting: tuple[tuple[Weighted, Any, Tensor | None], ...] = ()
    emb: Tensor | None = None

    def before_skip(self, station: str, h: Tensor) -> Tensor:
        """What the skip carries too: capture, drive."""
        return self._run(station, h, (CAPTURE, DRIVE))

    def after_skip(self, station: str, h: Tensor) -> Tensor:
        """What changes the trunk only: reference, motion."""
        return self._run(station, h, (REFERENCE, MOTION))

    def all(self, station: str, h: Tensor) -> Tensor:
        """Everything, where there is no skip to keep apart (mid, up)."""
        return self.after_skip(station, self.before_skip(station, h))

    def only(self, action: Weighted, station: str, h: Tensor) -> Tensor:
        """One action, where it acts in this call."""
        for weighted, prepared, weight in self.acting:
            if weighted is action:
                h = weighted(station, h, prepared, weight, self)
        return h

    def _run(self, station: str, h: Tensor, orders: tuple[int, int]) -> Tensor:
        for order in orders:
            here = [one for one in self.acting if one[0].action.order == order and station in one[0].action.sites]
            if len(here) == 1:
                ((weighted, prepared, weight),) = here
                h = weighted(station, h, prepared, weight, self)
            elif here:  # two portraits: all see the same h, whatever the order of their nodes
                h = h + sum(weighted(station, h.clone(), prepared, weight, self) - h for weighted, prepared, weight in here)
        return h


class Action(Protocol):
    """Something that acts at the stations `sites`.

    prepare: what a UNet call with these rows needs, as tensors on the device; outside of the UNet, once a call
    call:    h (B, C, H, W) -> the new h; it may write into h
    release: end of a run: what was kept for it goes
    """

    order: int
    sites: Container[str]

    def prepare(self, rows: Rows, placement: Placement) -> Any: ...

    def __call__(self, station: str, h: Tensor, prepared: Any, call: Call) -> Tensor: ...

    def release(self) -> None: ...


class Capture:
    """Keeps the features that pass the stations `sites`."""

    order = CAPTURE

    def __init__(self, sites: Container[str] = STATIONS):
        self.sites = sites
        self.features: dict[str, Tensor] = {}

    def prepare(self, rows: Rows, placement: Placement) -> None:
        """Nothing is needed."""

    def __call__(self, station: str, h: Tensor, prepared: None, call: Call) -> Tensor:
        self.features[station] = h.clone()  # the UNet may go on in place
        return h

    def release(self) -> None:
        self.features = {}


@dataclass(frozen=True, eq=False)
class Weighted:
    """An action with the artist's wishes.

    strength:  1 is the published network, 0 leaves h as it is
    span:      (start, end) part of the sampling in which it acts, 0..1; None = always. What noise levels these are is read in the run,
               as for the host's ControlNets: a node behind may have changed the MODEL's schedule
    mask:      (F, H, W) or (1, H, W), 0..1, at any resolution; None = everywhere
    strengths: by station, step and frame; they multiply `strength`
    """

    action: Action
    strength: float = 1.0
    span: tuple[float, float] | None = None
    mask: Tensor | None = None
    strengths: Strengths = EVEN
    _resident_mask: Resident = field(init=False, repr=False)
    _row_weights: RowWeights = field(init=False, repr=False, default_factory=RowWeights)

    def __post_init__(self):
        object.__setattr__(self, "_resident_mask", Resident({} if self.mask is None else {"mask": self.mask[:, None]}))

    @property
    def follows_noise(self) -> bool:
        """Whether the noise level matters. Reading it waits for the device."""
        return self.span is not None or self.strengths.steps is not None

    def prepare(self, rows: Rows, placement: Placement, run: Run | None, sigma: float | None) -> tuple[Weighted, Any, Tensor | None] | None:
        """Itself, what the action prepared, and the weight (B or 1, 1, H, W) of the rows, None = 1; nothing where it does not act."""
        if not acts_in(self.span, run, sigma):
            return None
        step, frames = self.strengths.at_step(run, sigma), self.strengths.in_frames(rows)
        if not step or not any(frames):
            return None
        mask, weight = self._mask_of(rows, placement), self._row_weights.at(frames, step, placement)
        both = mask * weight if mask is not None and weight is not None else weight if mask is None else mask
        return self, self.action.prepare(rows, placement), both

    def __call__(self, station: str, h: Tensor, prepared: Any, weight: Tensor | None, call: Call) -> Tensor:
        """h (B, C, H, W) -> h, moved towards what the action makes of it as far as strengths and weight (B or 1, 1, H', W') say."""
        strength = self.strength * self.strengths.at_station(station)
        if station not in self.action.sites or not strength:
            return h
        if strength == 1.0 and weight is None:
            return self.action(station, h, prepared, call)
        acted = self.action(station, h.clone(), prepared, call)
        if weight is not None:
            strength = strength * F.interpolate(weight, size=h.shape[-2:], mode="bilinear", align_corners=False)
        return h + strength * (acted - h)

    def _mask_of(self, rows: Rows, placement: Placement) -> Tensor | None:
        """(B or 1, 1, H, W) of a call, None where there is no mask."""
        if self.mask is None:
            return None
        frames = (0,)
        if len(self.mask) > 1:
            rows.require_clip(len(self.mask), "mask")
            frames = rows.window
        mask = self._resident_mask.at(frames, placement)["mask"]
        if rows.views and any(view.area for view in rows.views):
            shown = torch.cat([view.pixels(mask) for view in rows.views])
            return shown if len(mask) > 1 else shown.repeat_interleave(rows.chunk, dim=0)
        return mask if len(mask) == 1 else mask.repeat(len(rows.chunks), 1, 1, 1)

    def release(self) -> None:
        """End of a run."""
        self.action.release()
        self._resident_mask.release()
        self._row_weights.release()


class Stations:
    """The actions of one patched MODEL, in the published order whatever the order in which nodes added them."""

    def __init__(self, actions: Iterable[Weighted]):
        self.actions = tuple(sorted(actions, key=lambda weighted: weighted.action.order))

    @property
    def follow_noise(self) -> bool:
        """Whether the noise level matters to any of them."""
        return any(weighted.follows_noise for weighted in self.actions)

    def prepare(self, rows: Rows, placement: Placement, options: Mapping[str, Any]) -> Call:
        """The UNet call with these rows, that the host describes in its transformer_options."""
        run, sigma = run_of(options), noise_level(options) if self.follow_noise else None
        prepared = (weighted.prepare(rows, placement, run, sigma) for weighted in self.actions)
        return Call(rows.chunk, tuple(filter(None, prepared)))

    def release(self) -> None:
        """End of a run: drop what was kept for it."""
        for weighted in self.actions:
            weighted.release()
