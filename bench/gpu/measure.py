"""Time, memory, kernels and copies of a call, on a GPU or on a CPU; what only a GPU can show is NEEDS_CUDA on a CPU."""

from __future__ import annotations

import gc
import json
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
from torch.profiler import ProfilerActivity, profile

from ..official.clip import now
from .results import NEEDS_CUDA

Run = Callable[[], object]
WARM_UP = 1  # calls before one is timed
MIB = 2**20


def cuda() -> bool:
    """Whether ComfyUI computes on a GPU here."""
    import comfy.model_management

    return comfy.model_management.get_torch_device().type == "cuda"


def seconds(run: Run) -> float:
    """Of one call: a GPU's, or the process's own on a CPU."""
    start = now()
    run()
    return now() - start


def paired(bare: Run, patched: Run, rounds: int) -> tuple[float, float, float]:
    """Median seconds of both, called in turn, and the median ratio: the clock of a GPU drifts with its temperature."""
    for _ in range(WARM_UP):
        bare(), patched()
    found = [(seconds(bare), seconds(patched)) for _ in range(rounds)]
    return (
        statistics.median(a for a, _ in found),
        statistics.median(b for _, b in found),
        statistics.median(b / a for a, b in found),
    )


def timed(run: Run, rounds: int) -> float:
    """Median seconds of a call."""
    for _ in range(WARM_UP):
        run()
    return statistics.median(seconds(run) for _ in range(rounds))


def peak(run: Run) -> float | str:
    """Most MiB of VRAM during a call, with everything that lies there."""
    if not cuda():
        return NEEDS_CUDA
    gc.collect()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    run()
    torch.cuda.synchronize()
    return torch.cuda.max_memory_allocated() / MIB


class OnDevice(NamedTuple):
    """Of one call: kernels started, and bytes copied from the host to the device."""

    kernels: int | str
    copied: int | str


def on_device(run: Run) -> OnDevice:
    """What the profiler's trace of a call holds."""
    if not cuda():
        return OnDevice(NEEDS_CUDA, NEEDS_CUDA)
    events = trace(run)
    copies = [e for e in events if e.get("cat") == "gpu_memcpy" and "HtoD" in e["name"]]
    return OnDevice(
        sum(event.get("cat") == "kernel" for event in events), sum(e["args"]["bytes"] for e in copies)
    )


def trace(run: Run) -> list[dict]:
    """Events of the profiler's Chrome trace of a call on a GPU."""
    with profile(activities=[ProfilerActivity.CUDA]) as profiler:
        run()
        torch.cuda.synchronize()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trace.json"
        profiler.export_chrome_trace(str(path))
        return json.loads(path.read_text())["traceEvents"]
