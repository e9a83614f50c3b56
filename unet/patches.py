"""Patches at the block boundaries of an SD1.5 UNet, independent of ComfyUI and diffusers.

Boundaries: `down_i` after down block i, `mid` after the middle block, `up_i` before up block i. The order at
each boundary is that of the official code: capture features, add drive features, reference attention, motion
module. On the down path, capture and drive run before the UNet stores its skip, so the skip contains the
drive. Reference and motion run after it and change the trunk only.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import torch.nn.functional as F
from torch import Tensor

from .clip.frames import Rows
from .clip.run import Run, acts_in, noise_level, run_of
from .feature_cache import TargetDevice
from .mask import Mask
from .strengths import EVEN, RowWeights, Strengths

DOWN = tuple(f"down_{i}" for i in range(4))
UP = tuple(f"up_{i}" for i in range(4))
BOUNDARIES = (*DOWN, "mid", *UP)

CAPTURE, DRIVE, REFERENCE, MOTION = range(4)  # order of the patches at a boundary


class Call(NamedTuple):
    """State of one UNet call that the patches read.

    chunk:  items per window and side (cond or uncond), neighbours in the batch
    acting: the active patches, each with its prepared tensors and the weight (B or 1, 1, H, W) of the items
    emb:    (B, E) time embedding before any SiLU

    Holds tensors of stable shape and numbers that rarely change, never frames or noise levels. A compiled
    UNet reads it in every window and step, and a changed number would trigger a recompilation.
    """

    chunk: int
    acting: tuple[tuple[WeightedPatch, Any, Tensor | None], ...] = ()
    emb: Tensor | None = None

    def before_skip(self, boundary: str, h: Tensor) -> Tensor:
        """Run the patches whose output the skip connection also carries: capture, drive."""
        return self._run(boundary, h, (CAPTURE, DRIVE))

    def after_skip(self, boundary: str, h: Tensor) -> Tensor:
        """Run the patches that change the trunk only: reference, motion."""
        return self._run(boundary, h, (REFERENCE, MOTION))

    def all(self, boundary: str, h: Tensor) -> Tensor:
        """Run all patches at a boundary where no skip is stored (mid, up)."""
        return self.after_skip(boundary, self.before_skip(boundary, h))

    def only(self, patch: WeightedPatch, boundary: Any, h: Tensor) -> Tensor:
        """Run one patch, if it is active in this call."""
        for weighted, prepared, weight in self.acting:
            if weighted is patch:
                h = weighted(boundary, h, prepared, weight, self)
        return h

    def _run(self, boundary: str, h: Tensor, orders: tuple[int, int]) -> Tensor:
        for order in orders:
            here = [
                one for one in self.acting if one[0].patch.order == order and boundary in one[0].patch.sites
            ]
            if len(here) == 1:
                ((weighted, prepared, weight),) = here
                h = weighted(boundary, h, prepared, weight, self)
            elif here:  # two portraits: both read the same h, so the order of their nodes does not matter
                h = h + sum(
                    weighted(boundary, h.clone(), prepared, weight, self) - h
                    for weighted, prepared, weight in here
                )
        return h


class Patch(Protocol):
    """A patch that acts at the boundaries `sites`.

    order: its place among the patches of a boundary (CAPTURE ... MOTION).

    prepare: build the tensors for one UNet call on the device; called outside the UNet, once per call
    __call__: h (B, C, H, W) -> the new h; may write into h
    release: free what was kept for a run
    """

    @property
    def order(self) -> int: ...

    @property
    def sites(self) -> Collection[Any]: ...

    def prepare(self, rows: Rows, target: TargetDevice, /) -> Any: ...

    def __call__(self, boundary: Any, h: Tensor, prepared: Any, call: Call, /) -> Tensor: ...

    def release(self) -> None: ...


class Capture:
    """Captures the features at the boundaries `sites`."""

    order = CAPTURE

    def __init__(self, sites: Collection[str] = BOUNDARIES):
        self.sites = sites
        self.features: dict[str, Tensor] = {}

    def prepare(self, rows: Rows, target: TargetDevice) -> None:
        """Do nothing: capturing needs no preparation."""

    def __call__(self, boundary: str, h: Tensor, prepared: None, call: Call) -> Tensor:
        self.features[boundary] = h.clone()  # the UNet may change h in place
        return h

    def release(self) -> None:
        self.features = {}


@dataclass(frozen=True, eq=False)
class WeightedPatch:
    """A patch with strength, percent range and mask.

    strength:  1 = the official network, 0 = h unchanged
    percent_range: (start, end) as 0..1; None = always. Converted to noise levels during the run, as ComfyUI
      does for ControlNets, because a later node may change the MODEL's schedule
    mask:      (F, H, W) or (1, H, W), 0..1, any resolution; None = everywhere
    strengths: factors of `strength` per boundary, step and frame
    """

    patch: Patch
    strength: float = 1.0
    percent_range: tuple[float, float] | None = None
    mask: Tensor | None = None
    strengths: Strengths = EVEN
    _mask: Mask = field(init=False, repr=False)
    _row_weights: RowWeights = field(init=False, repr=False, default_factory=RowWeights)

    def __post_init__(self):
        object.__setattr__(self, "_mask", Mask(self.mask))

    @property
    def follows_noise(self) -> bool:
        """Whether the patch depends on the noise level.

        Reading the noise level causes a GPU synchronisation.
        """
        return self.percent_range is not None or self.strengths.steps is not None

    def prepare(
        self, rows: Rows, target: TargetDevice, run: Run | None, sigma: float | None
    ) -> tuple[WeightedPatch, Any, Tensor | None] | None:
        """Return (this patch, its prepared tensors, weight (B or 1, 1, H, W) of the items, None = 1); None
        if the patch is not active.
        """
        if not acts_in(self.percent_range, run, sigma):
            return None
        step, frames = self.strengths.at_step(run, sigma), self.strengths.in_frames(rows)
        if not step or not any(frames):
            return None
        mask, weight = self._mask.at(rows, target), self._row_weights.at(frames, step, target)
        return self, self.patch.prepare(rows, target), _product(mask, weight)

    def __call__(self, boundary: Any, h: Tensor, prepared: Any, weight: Tensor | None, call: Call) -> Tensor:
        """Return h + strength * (patched - h) for h (B, C,
        H, W); weight (B or 1, 1, H', W') is resized to h.
        """
        strength = self.strength * self.strengths.at_boundary(boundary)
        if boundary not in self.patch.sites or not strength:
            return h
        if strength == 1.0 and weight is None:
            return self.patch(boundary, h, prepared, call)
        acted = self.patch(boundary, h.clone(), prepared, call)
        if weight is not None:
            strength = strength * F.interpolate(
                weight, size=h.shape[-2:], mode="bilinear", align_corners=False
            )
        return h + strength * (acted - h)

    def release(self) -> None:
        """Free what was kept for a run."""
        self.patch.release()
        self._mask.release()
        self._row_weights.release()


def _product(a: Tensor | None, b: Tensor | None) -> Tensor | None:
    """Return a * b, where None stands for 1."""
    if a is None:
        return b
    return a if b is None else a * b


class PatchSet:
    """The patches of one MODEL in the official order, whatever the order of the nodes."""

    def __init__(self, patches: Iterable[WeightedPatch]):
        self.patches = tuple(sorted(patches, key=lambda weighted: weighted.patch.order))

    @property
    def follow_noise(self) -> bool:
        """Whether any patch depends on the noise level."""
        return any(weighted.follows_noise for weighted in self.patches)

    def prepare(self, rows: Rows, target: TargetDevice, options: Mapping[str, Any]) -> Call:
        """Prepare a UNet call for these batch items from its transformer_options."""
        run, sigma = run_of(options), noise_level(options) if self.follow_noise else None
        prepared = (weighted.prepare(rows, target, run, sigma) for weighted in self.patches)
        return Call(rows.chunk, tuple(filter(None, prepared)))

    def release(self) -> None:
        """Free what was kept for a run."""
        for weighted in self.patches:
            weighted.release()
