"""Context windows: a context handler for ComfyUI that imports nothing from it.

All windows of the pack use this handler, because ComfyUI 0.3.64 raises for frames in the batch dimension and
no version divides the pictures of ControlNets. It runs on batches with one latent per frame and publishes
`context_window`, as ComfyUI's own handler does.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from ..feature_cache import evenly
from .frames import window_of
from .keyframes import weights
from .run import GRID, SAME_STEP, Run, run_of

CACHE = "easycache"  # in transformer_options: EasyCache's state of the last step
# Most windows that keep resized ControlNet pictures on the device: 0.6
# GB for 12 frames of 512 px in half precision.
KEPT_WINDOWS = 32


@dataclass(frozen=True)
class Plan:
    """How one batch is divided into context windows.

    windows  batch positions of each window, in order
    shares   for each window, the blending weight of each of its positions; the weights of one position sum to
      1
    frames   for each batch position, its absolute frame
    clip     number of frames of the whole clip
    """

    windows: tuple[Sequence[int], ...]
    shares: tuple[tuple[float, ...], ...]
    frames: tuple[int, ...]
    clip: int

    @classmethod
    def of(cls, windows: tuple[Sequence[int], ...], smooth: bool, frames: Sequence[int], clip: int) -> Plan:
        """Create a plan whose overlaps are cross-faded (smooth) or averaged."""
        return cls(windows, weights(windows, smooth), tuple(frames), clip)

    def for_frames(self, wanted: Container[int]) -> Plan:
        """Return this plan without the windows that hold none of these frames."""
        kept = [
            (window, shares)
            for window, shares in zip(self.windows, self.shares, strict=True)
            if any(self.frames[position] in wanted for position in window)
        ]
        return replace(
            self, windows=tuple(window for window, _ in kept), shares=tuple(shares for _, shares in kept)
        )

    @property
    def seen(self) -> frozenset[int]:
        """The absolute frames that the windows cover."""
        return frozenset(self.frames[position] for window in self.windows for position in window)


@dataclass(frozen=True)
class Window:
    """The frames of one UNet call, with the fields of ComfyUI's window object.

    `dim` is the batch dimension.
    """

    index_list: list[int]
    total_frames: int
    dim: int = 0


# Called with frames of the clip and their predicted latents (m, 4, h, w).
Show = Callable[[Sequence[int], Tensor], None]


class FrameWindows:
    """Context handler: runs every window of a plan and fuses the results.

    plan: called with the batch size and a function that returns the fraction of the sampling done, 0..999;
      returns the Plan. The fraction depends on the noise level only, so it is the same in every sampler.
    length: longest window in frames
    show: called after each of several windows with the first cond's prediction, for previews; None = never
    """

    def __init__(self, plan: Callable[[int, Callable[[], int]], Plan], length: int, show: Show | None = None):
        self.plan, self.show = plan, show
        self.context_length = length  # ComfyUI's name; ComfyUI reads it for its memory estimate
        self.dim = 0

    def __deepcopy__(self, memo) -> FrameWindows:
        return self  # old versions deep-copy model_options at every clone

    def should_use_context(
        self, model: Any, conds: list, x: Tensor, timestep: Tensor, model_options: Mapping
    ) -> bool:
        """Always True: even a single window publishes the absolute frames."""
        return True

    def execute(
        self,
        calculate: Callable,
        model: Any,
        conds: list,
        x: Tensor,
        timestep: Tensor,
        model_options: Mapping,
    ) -> list[Tensor]:
        """Run the windows on x (n, 4, h, w) -> one fused (n, 4, h, w) per entry of `conds`.

        Each frame is the running weighted mean over its windows, so windows
        that give the same value give exactly that value.
        """
        plan = self.plan(len(x), partial(_moment, timestep, model_options.get("transformer_options", {})))
        fused = [torch.zeros_like(x) for _ in conds]
        weight = torch.zeros(len(x), 1, 1, 1, dtype=x.dtype, device=x.device)
        for window, shares in zip(plan.windows, plan.shares, strict=True):
            positions = tuple(window)
            at = evenly(positions) or list(
                positions
            )  # a slice if possible: a list of indices needs a host-to-device copy
            frames = [plan.frames[position] for position in window]
            options = dict(model_options)
            published = model_options.get("transformer_options", {})
            cache = _cache_of(frames, published, model, 2 * len(plan.windows))
            options["transformer_options"] = published | {"context_window": Window(frames, plan.clip)} | cache
            cut = [cut_conds(cond, len(x), list(positions), frames) for cond in conds]
            results = calculate(model, cut, x[at], timestep[at], options)
            blend(fused, weight, at, shares, results)
            if self.show and len(plan.windows) > 1:
                self.show(frames, results[0])
        return fused


def _cache_of(frames: Sequence[int], options: Mapping, model: Any, kept: int) -> dict[str, Any]:
    """EasyCache state of a window in transformer_options, if the MODEL has one.

    ComfyUI keeps a single state, which would mix windows.

    kept: most states to store, because closed-loop windows differ at every step.
    """
    cache, run = options.get(CACHE), run_of(options)
    if cache is None or run is None:
        return {}
    if (key := tuple(frames)) not in run.caches:
        run.caches[key] = cache.clone().prepare_timesteps(model.model_sampling) if run.caches else cache
        if len(run.caches) > kept:
            del run.caches[next(iter(run.caches))]
    return {CACHE: run.caches[key]}


def blend(
    fused: Sequence[Tensor],
    weight: Tensor,
    at: slice | list[int],
    shares: Sequence[float],
    results: Sequence[Tensor],
) -> None:
    """Add the results of one window, (m, 4, h, w) each, to the running means `fused` (n, 4, h, w) at the
    positions `at`, in place.

    shares: weight of each of the m positions; weight: (n, 1, 1, 1), sum
    of the weights added so far, updated in place
    """
    share = torch.tensor(shares, dtype=weight.dtype, device=weight.device).view(-1, 1, 1, 1)
    weight[at] += share
    for total, result in zip(fused, results, strict=True):
        total[at] += (share / weight[at]) * (result.to(total) - total[at])


PROMPTS = ("c_crossattn", "crossattn_controlnet")  # keys of `model_conds`


def _moment(sigma: Tensor, options: Mapping) -> int:
    """Fraction 0..999 of the whole sampling at which the step of this noise level begins; 0 outside a run.

    A noise level between two steps, as some samplers evaluate, belongs to the step that began before it.
    """
    levels, run = options.get("sample_sigmas"), run_of(options)
    if levels is None or run is None:
        return 0
    levels, now = levels.tolist(), float(sigma.max())
    begun = min((level for level in levels if level * (1 + SAME_STEP) >= now), default=max(levels))
    return round(GRID * run.percent_of(begun))


def cut_conds(
    conds: list[dict] | None, batch: int, positions: list[int], frames: list[int]
) -> list[dict] | None:
    """Select the conditioning of one window.

    Prompts and masks have one entry per frame of the clip, and repeat if shorter, as in ComfyUI's batches.
    Tensors that ComfyUI derived from this batch have one entry per batch position.
    """

    def cut(value: Any, of_batch: bool = False) -> Any:
        if isinstance(getattr(value, "cond", None), Tensor):  # CONDRegular and similar classes
            return value._copy_with(cut(value.cond, of_batch))
        if not isinstance(value, Tensor) or not value.ndim or len(value) == 1:
            return value
        return value[[i % len(value) for i in (positions if of_batch and len(value) == batch else frames)]]

    if conds is None:
        return None
    return [
        {
            key: {k: cut(v, k not in PROMPTS) for k, v in value.items()}
            if key == "model_conds"
            else cut(value)
            for key, value in cond.items()
        }
        for cond in conds
    ]


def publish_window(
    executor: Callable, model: Any, conds: list, x: Tensor, timestep: Tensor, model_options: dict
) -> list[Tensor]:
    """CALC_COND_BATCH wrapper: inside any context window, pass each
    ControlNet the pictures of the window's frames.

    Also publish the window in `ad_params` as AnimateDiff-Evolved does, where IPAdapter and
    Advanced-ControlNet read it.

    AnimateDiff-Evolved's own sliding contexts are skipped, because AnimateDiff-Evolved does both.
    """
    options = model_options.get("transformer_options", {})
    if "context_window" in options:
        frames, clip = window_of(options, len(x))
        copies = _controls_of(run_of(options), frames)
        conds = [
            cond and [part | {"control": _cut_control(part.get("control"), frames, copies)} for part in cond]
            for cond in conds
        ]
        if clip:
            evolved = {"sub_idxs": list(frames), "full_length": clip, "context_length": len(frames)}
            model_options = model_options | {"transformer_options": options | {"ad_params": evolved}}
    return executor(model, conds, x, timestep, model_options)


def _controls_of(run: Run | None, frames: tuple[int, ...]) -> dict[int, Any]:
    """The ControlNet copies that `_cut_control` made for this window in an earlier step; an unstored {} if
    too many windows are kept.
    """
    if run is None or (frames not in run.controls and len(run.controls) >= KEPT_WINDOWS):
        return {}
    return run.controls.setdefault(frames, {})


def _cut_control(control: Any, frames: tuple[int, ...], copies: dict[int, Any]) -> Any:
    """Return a copy of a ControlNet, and of those chained to it, with the pictures of these frames.

    One copy per ControlNet, because ComfyUI batches cond and uncond only if both hold the same object.
    """
    if control is None or hasattr(
        control, "sub_idxs"
    ):  # Advanced-ControlNet reads the published window itself
        return control
    if id(control) not in copies:
        own = copies[id(control)] = copy.copy(control)
        own.previous_controlnet = _cut_control(control.previous_controlnet, frames, copies)
        own.cond_hint_original = _of_frames(control.cond_hint_original, frames)
        own.extra_concat_orig = [
            _of_frames(extra, frames) for extra in getattr(control, "extra_concat_orig", ())
        ]
        own.cond_hint = None  # the ControlNet makes it from the original, at the size of the latent
        if hasattr(control, "control_input"):  # T2I adapters keep their result until the picture changes
            own.control_input = None
    return copies[id(control)]


def _of_frames(hint: Tensor | None, frames: tuple[int, ...]) -> Tensor | None:
    """Select the pictures of these frames. Fewer pictures than frames repeat, as in ComfyUI's batches."""
    return hint if hint is None or len(hint) == 1 else hint[[frame % len(hint) for frame in frames]]
