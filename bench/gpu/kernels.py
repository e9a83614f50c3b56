"""Splits the time of a run by the part of the UNet that started the work, and by the kind of kernel."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile, record_function

from ...unet.patches import WeightedPatch
from .measure import cuda

UNET = "UNet"
PLACES = {
    "ReferencePatch": "reference attention",
    "DrivePatch": "drive",
    "MotionPatch": "SK motion",
    "TemporalPatch": "AnimateDiff",
    "Capture": "capture",
}
# kind -> pattern in the names of CUDA's kernels and PyTorch's operations; the first that matches counts
KINDS = {
    "copies": r"memcpy|memset|copy|aten::cat",
    "attention": r"flash|fmha|attention|softmax",
    "convolutions": r"conv|implicit|fprop|winograd|im2col|nchwToNhwc|nhwcToNchw",
    "matrix products": r"gemm|cutlass|nvjet|cublas|matmul|::mm|::bmm|::addmm|::baddbmm",
    "norms": r"norm",
    "elementwise": r"",
}


def profiled(run: Callable[[], object]) -> tuple[dict[str, float], dict[str, float]]:
    """Return (part -> seconds, kind -> seconds) of the GPU, or of the CPU without one."""
    activities = [ProfilerActivity.CPU] + ([ProfilerActivity.CUDA] if cuda() else [])
    with _labelled(), profile(activities=activities) as profiler:
        run()
    averages = profiler.key_averages()
    return _places(averages), _kinds(averages)


@contextmanager
def _labelled() -> Iterator[None]:
    """While open, name the calls of the UNet and of our patches in profiles."""
    import comfy.model_base

    model, patch = comfy.model_base.BaseModel, WeightedPatch.__call__
    apply = model.apply_model

    def whole(self, *args, **kwargs):
        with record_function(UNET):
            return apply(self, *args, **kwargs)

    def part(self, *args, **kwargs):
        with record_function(type(self.patch).__name__):
            return patch(self, *args, **kwargs)

    model.apply_model, WeightedPatch.__call__ = whole, part
    try:
        yield
    finally:
        model.apply_model, WeightedPatch.__call__ = apply, patch


def _places(averages) -> dict[str, float]:
    times = {
        event.key: (event.device_time_total if cuda() else event.cpu_time_total) / 1e6
        for event in averages
        if event.device_type == DeviceType.CPU and event.key in (UNET, *PLACES)
    }
    ours = {PLACES[key]: time for key, time in times.items() if key in PLACES}
    return {"UNet itself": times.get(UNET, 0.0) - sum(ours.values())} | ours


def _kinds(averages) -> dict[str, float]:
    found = Counter()
    here = DeviceType.CUDA if cuda() else DeviceType.CPU
    for event in averages:
        if event.device_type != here or event.key in (UNET, *PLACES) or event.is_user_annotation:
            continue
        kind = next(kind for kind, pattern in KINDS.items() if re.search(pattern, event.key, re.IGNORECASE))
        found[kind] += (event.self_device_time_total if cuda() else event.self_cpu_time_total) / 1e6
    return dict(found)
