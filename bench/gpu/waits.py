"""Counts GPU synchronisations and host-to-device bytes of UNet calls after step 1, bare and patched."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

from ...nodes.hellomeme.motion import SMOOTH, ApplyMotion, clip_plan
from ...nodes.windows import see_in_windows
from ...testing.call_costs import Costs
from .measure import cuda, on_device
from .models import numbers
from .results import NEEDS_CUDA, Section
from .scale import Scale

STEPS, WINDOWS = 3, 2
VERSIONS = ("v5", "v2", "v5c", "v1")  # all kinds of reference attention, drive and motion module
# Runs a call, and returns its result and what was measured.
Measure = Callable[[Callable], tuple[object, object]]


def run(bench, section: Section) -> None:
    """Measure the bare and the patched MODEL of each version with the same windows."""
    for version in section.within_budget(VERSIONS):
        with section.attempt(version):
            title = f"Per UNet call after the first step, {version} with motion, CFG"
            bare, patched = (_figures(bench, model) for model in _models(bench, version))
            section.row(title, MODEL="bare", **bare)
            passed = all(value <= bare[name] for name, value in patched.items() if isinstance(value, float))
            section.row(title, MODEL="patched", **patched, passed=passed)
    section.note(
        "The first two figures are counted by PyTorch's dispatcher and hold on any device, the others are a GPU's own. "
        "A patched MODEL passes where no figure is above that of the bare one."
    )


def _models(bench, version: str) -> Iterator[object]:
    scale = bench.scale
    bare = bench.models.model.clone()
    see_in_windows(bare, lambda n, step: clip_plan(n, scale.window, scale.overlap, True), scale.window)
    yield bare
    patched = bench.models.applied(version, _frames(scale))
    for motion in bench.models.motions(version):
        patched = ApplyMotion.execute(patched, motion, 1.0, 0.0, 1.0, scale.window, scale.overlap, SMOOTH)[0]
    yield patched


def _figures(bench, model) -> dict:
    counted = [costs.count for costs in _later_calls(bench, model, _costs)]
    figures = {
        "waits (dispatcher)": _mean(count["waits"] for count in counted),
        "tensors from Python numbers": _mean(count["sent"] for count in counted),
    }
    if not cuda():
        return figures | dict.fromkeys(("synchronisations", "bytes from the host"), NEEDS_CUDA)
    waits = _later_calls(bench, model, _synchronisations)
    places = sum(waits, Counter()).most_common(4)
    return figures | {
        "synchronisations": _mean(found.total() for found in waits),
        "bytes from the host": _mean(_later_calls(bench, model, _copies)),
        "where": "; ".join(f"{place} ({count})" for place, count in places),
    }


def _frames(scale: Scale) -> int:
    """Return the number of frames of a clip with WINDOWS windows."""
    return WINDOWS * (scale.window - scale.overlap) + scale.overlap


def _mean(values) -> float:
    values = list(values)
    return sum(values) / len(values)


def _later_calls(bench, model, measure: Measure) -> list:
    """Return the measure of every UNet call of a sampling run except those of the first step."""
    found, base = [], bench.models.model.model
    apply = base.apply_model

    def measured(*args, **kwargs):
        result, figure = measure(lambda: apply(*args, **kwargs))
        found.append(figure)
        return result

    with _replaced(base, "apply_model", measured):
        bench.sample(
            model, numbers("noise", _frames(bench.scale), 4, bench.scale.side, bench.scale.side), STEPS, 2.0
        )
    return found[len(found) // STEPS :]


@contextmanager
def _replaced(owner, name: str, value) -> Iterator[None]:
    setattr(owner, name, value)
    try:
        yield
    finally:
        delattr(owner, name)


def _costs(call: Callable) -> tuple[object, Costs]:
    with Costs() as costs:
        return call(), costs


def _synchronisations(call: Callable) -> tuple[object, Counter]:
    """Run a call. Returns its result, and how often the host waited for the GPU at each place in the code."""
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            result = call()
        finally:
            torch.cuda.set_sync_debug_mode("default")
    waits = [w for w in seen if "synchronizing" in str(w.message)]
    return result, Counter(
        f"{w.filename.rsplit('/', 2)[-2]}/{w.filename.rsplit('/', 1)[-1]}:{w.lineno}" for w in waits
    )


def _copies(call: Callable) -> tuple[object, int]:
    kept = []
    copied = on_device(lambda: kept.append(call())).copied
    return kept[0], copied
