"""What holds for one sampling run and no single UNet call tells: whose each condition is and where it acts, and the noise levels.

Nothing of the host is imported: its guider comes in as an argument.
"""

from __future__ import annotations

import math
import uuid
from bisect import bisect_left
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, NamedTuple

from torch import Tensor

KEY = "sk_portrait_run"  # in transformer_options
NOISE_LEVEL = "sk_portrait_noise_level"  # in transformer_options, read once for all UNet calls of a step
GRID = 999  # ComfyUI computes percents as parts of SD1.5's last timestep: at multiples of 1/999 lie the trained noise levels
EDGE = 1e-7  # percent 0 and 1 are infinity and 0 in ComfyUI; this far inside lie the highest and the lowest noise level


class Area(NamedTuple):
    """A part of the picture, in cells of the latent."""

    height: int
    width: int
    top: int
    left: int


class Condition(NamedTuple):
    """One entry of a conditioning: what its guider calls the conditioning, and the part of the picture it is for, None = all."""

    name: str
    area: Area | None = None


@dataclass(frozen=True, eq=False)
class Run:
    """One sampling run. The host passes objects of our own on as they are, where it would copy a dictionary at every call.

    conditions  by the id that the host gives each of them
    size        (height, width) of the latent in cells
    sigma_of    part of the sampling, 0..1 -> noise level; the host computes it on the device, so that it is asked once
    controls    frames of a window -> its ControlNets by the id of the artist's own: they keep the pictures that they resized
    caches      frames of a window -> what the host's EasyCache keeps of its last step
    """

    conditions: Mapping[Hashable, Condition]
    size: tuple[int, int]
    sigma_of: Callable[[float], float]
    controls: dict[tuple[int, ...], dict[int, Any]] = field(default_factory=dict)
    caches: dict[tuple[int, ...], Any] = field(default_factory=dict)

    @classmethod
    def of(cls, guider: Any, latent: Tensor) -> Run:
        """The run of a host's guider over latents (n, 4, h, w)."""
        _part_ids(guider)
        size = tuple(latent.shape[-2:])
        conditions = {
            entry["uuid"]: Condition(name, _inside(entry.get("area"), size)) for name, entries in guider.conds.items() for entry in entries
        }
        return cls(conditions, size, cache(guider.inner_model.model_sampling.percent_to_sigma))

    def percent_of(self, sigma: float) -> float:
        """Part of the sampling, 0..1, at a noise level: the inverse of `sigma_of`.

        It depends on the noise level alone, so it is the same however the steps are split over samplers.
        """

        def level(k: int) -> float:
            return self.sigma_of(min(max(k / GRID, EDGE), 1 - EDGE))

        below = bisect_left(range(GRID + 1), -sigma, key=lambda k: -level(k))
        if below == 0 or below > GRID:
            return float(below > 0)
        high, low = level(below - 1), level(below)
        return (below - math.log(sigma / low) / math.log(high / low)) / GRID


def acts_in(span: tuple[float, float] | None, run: Run | None, sigma: float | None) -> bool:
    """Whether something with a span (start, end), 0..1 of the sampling, acts at this noise level. None = always; so does whatever is
    called outside of a run."""
    if span is None or run is None:
        return True
    first, last = map(run.sigma_of, span)
    return first >= sigma >= last


def run_of(options: Mapping[str, Any]) -> Run | None:
    """The run of a UNet call, None outside of the host's sampling (a look at the reference, another host)."""
    return options.get(KEY)


def noise_level(options: Mapping[str, Any]) -> float | None:
    """Of the step, where it was read; else of this call."""
    sigmas = options.get("sigmas")
    return options[NOISE_LEVEL] if NOISE_LEVEL in options else None if sigmas is None else float(sigmas.max())


def note_run(executor: Callable, guider: Any, sigmas: Tensor, extra_args: dict, callback: Callable, noise: Tensor, *rest: Any) -> Tensor:
    """SAMPLER_SAMPLE wrapper of the host: every UNet call of the run finds it in its transformer_options."""
    options = extra_args["model_options"]
    options = options | {"transformer_options": options.get("transformer_options", {}) | {KEY: Run.of(guider, noise)}}
    return executor(guider, sigmas, extra_args | {"model_options": options}, callback, noise, *rest)


def _inside(area: Sequence[int] | None, size: tuple[int, int]) -> Area | None:
    """The host's (height, width, top, left), which may reach over the edge of the picture."""
    if area is None:
        return None
    height, width, top, left = area
    return Area(min(height, size[0] - top), min(width, size[1] - left), top, left)


def _part_ids(guider: Any) -> None:
    """The host copies a condition that has an area to the other conditionings, its id with it: there it gets one of its own."""
    for name, entries in guider.conds.items():
        own = {entry["uuid"] for entry in guider.original_conds[name]}
        for entry in entries:
            if entry["uuid"] not in own:
                entry["uuid"] = uuid.uuid4()
