"""State of one sampling run: which condition each UUID belongs to, its area, and the sigmas.

Imports nothing from ComfyUI: the guider is an argument.
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
# In transformer_options: noise level of a step, read once for all its UNet calls.
NOISE_LEVEL = "sk_portrait_noise_level"
GRID = 999  # the last timestep, as in ComfyUI's percents: the trained noise levels lie at multiples of 1/999
# ComfyUI's noise levels at percent 0 and 1 are infinity and 0; at EDGE and
# 1 - EDGE they are the extreme trained levels.
EDGE = 1e-7

# Tolerances for noise levels that should be equal.
# Relative: ComfyUI may compute in another precision than it publishes; steps are further apart.
SAME_STEP = 1e-4
# Relative: half precision rounds a level by up to 5e-4, and the nearest level of a clip is used.
SAME_SCHEDULE = 1e-3
# Absolute: some schedulers place step i of N at i/N of 1000 timesteps; ComfyUI's percents count 999.
SAME_PERCENT = 1 / GRID


class Area(NamedTuple):
    """A part of the picture, in latent pixels."""

    height: int
    width: int
    top: int
    left: int


class Condition(NamedTuple):
    """One entry of a conditioning.

    name: the guider's name for the conditioning; area: where it acts, None = the whole picture.
    """

    name: str
    area: Area | None = None


@dataclass(frozen=True, eq=False)
class Run:
    """State of one sampling run.

    It is an object of our own class, because ComfyUI copies dictionaries at every call.

    conditions  ComfyUI's UUID -> condition
    size        (height, width) of the latent
    sigma_of    percent as 0..1 -> noise level; cached, because ComfyUI computes it on the device
    controls    frames of a window -> {id of a ControlNet: its copy for the window, with resized pictures}
    caches      frames of a window -> EasyCache state of its last step
    """

    conditions: Mapping[Hashable, Condition]
    size: tuple[int, int]
    sigma_of: Callable[[float], float]
    controls: dict[tuple[int, ...], dict[int, Any]] = field(default_factory=dict)
    caches: dict[tuple[int, ...], Any] = field(default_factory=dict)

    @classmethod
    def of(cls, guider: Any, latent: Tensor) -> Run:
        """Create the run of a guider over latents (n, 4, h, w)."""
        _part_ids(guider)
        height, width = latent.shape[-2:]
        size = height, width
        conditions = {
            entry["uuid"]: Condition(name, _inside(entry.get("area"), size))
            for name, entries in guider.conds.items()
            for entry in entries
        }
        return cls(conditions, size, cache(guider.inner_model.model_sampling.percent_to_sigma))

    def percent_of(self, sigma: float) -> float:
        """Fraction of the sampling, 0..1, at a noise level: the inverse of `sigma_of`.

        It depends on the noise level alone, so splitting the steps over several samplers does not change it.
        """

        def level(k: int) -> float:
            return self.sigma_of(min(max(k / GRID, EDGE), 1 - EDGE))

        below = bisect_left(range(GRID + 1), -sigma, key=lambda k: -level(k))
        if below == 0 or below > GRID:
            return float(below > 0)
        high, low = level(below - 1), level(below)
        return (below - math.log(sigma / low) / math.log(high / low)) / GRID


def acts_in(percent_range: tuple[float, float] | None, run: Run | None, sigma: float | None) -> bool:
    """Whether the percent range (start, end), 0..1, includes this noise level.

    Always true for None, and outside a run.
    """
    if percent_range is None or run is None:
        return True
    assert sigma is not None, "inside of a run every call has a noise level"
    first, last = map(run.sigma_of, percent_range)
    return first >= sigma >= last


def run_of(options: Mapping[str, Any]) -> Run | None:
    """The run of a UNet call; None outside ComfyUI's sampling (reference pass, diffusers backend)."""
    return options.get(KEY)


def noise_level(options: Mapping[str, Any]) -> float | None:
    """Noise level of the step if `read_noise_level` stored it,
    otherwise of this call; None if the call has none.
    """
    if NOISE_LEVEL in options:
        return options[NOISE_LEVEL]
    sigmas = options.get("sigmas")
    return None if sigmas is None else float(sigmas.max())


def publish_run(
    executor: Callable,
    guider: Any,
    sigmas: Tensor,
    extra_args: dict,
    callback: Callable,
    noise: Tensor,
    *rest: Any,
) -> Tensor:
    """SAMPLER_SAMPLE wrapper: publish the run in the transformer_options of its UNet calls."""
    options = extra_args["model_options"]
    run = {KEY: Run.of(guider, noise)}
    options = options | {"transformer_options": options.get("transformer_options", {}) | run}
    return executor(guider, sigmas, extra_args | {"model_options": options}, callback, noise, *rest)


def _inside(area: Sequence[int] | None, size: tuple[int, int]) -> Area | None:
    """ComfyUI's area (height, width, top, left), clipped to the picture."""
    if area is None:
        return None
    height, width, top, left = area
    return Area(min(height, size[0] - top), min(width, size[1] - left), top, left)


def _part_ids(guider: Any) -> None:
    """Give copied conditions a UUID of their own.

    ComfyUI copies a condition that has an area to the other conditionings and keeps its UUID.
    """
    for name, entries in guider.conds.items():
        own = {entry["uuid"] for entry in guider.original_conds[name]}
        for entry in entries:
            if entry["uuid"] not in own:
                entry["uuid"] = uuid.uuid4()
