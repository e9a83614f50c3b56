"""Measures time, memory, kernels and copies of a call on a GPU or a CPU.

On a CPU, what only a GPU can show is NEEDS_CUDA.
"""

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
WARM_UP = 1  # calls before the timed ones
MIB = 2**20


def cuda() -> bool:
    """Return whether ComfyUI computes on a GPU here."""
    import comfy.model_management

    return comfy.model_management.get_torch_device().type == "cuda"


def seconds(run: Run) -> float:
    """Return the seconds of one call: of the clock on a GPU, of the process on a CPU."""
    start = now()
    run()
    return now() - start


def paired(bare: Run, patched: Run, rounds: int) -> tuple[float, float, float]:
    """Return the median seconds of both calls, and the median ratio.

    They are called in turn, because the clock of a GPU changes with its temperature.
    """
    for _ in range(WARM_UP):
        bare(), patched()
    found = [(seconds(bare), seconds(patched)) for _ in range(rounds)]
    return (
        statistics.median(a for a, _ in found),
        statistics.median(b for _, b in found),
        statistics.median(b / a for a, b in found),
    )


def timed(run: Run, rounds: int) -> float:
    """Return the median seconds of a call."""
    for _ in range(WARM_UP):
        run()
    return statistics.median(seconds(run) for _ in range(rounds))


def peak(run: Run) -> float | str:
    """Return the peak MiB of VRAM during a call, including everything that was allocated before."""
    if not cuda():
        return NEEDS_CUDA
    gc.collect()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    run()
    torch.cuda.synchronize()
    return torch.cuda.max_memory_allocated() / MIB


class OnDevice(NamedTuple):
    """Kernels that one call started, and bytes that it copied from CPU memory to the GPU."""

    kernels: int | str
    copied: int | str


def on_device(run: Run) -> OnDevice:
    """Return the figures of a call from the profiler's trace."""
    if not cuda():
        return OnDevice(NEEDS_CUDA, NEEDS_CUDA)
    events = trace(run)
    copies = [e for e in events if e.get("cat") == "gpu_memcpy" and "HtoD" in e["name"]]
    return OnDevice(
        sum(event.get("cat") == "kernel" for event in events), sum(e["args"]["bytes"] for e in copies)
    )


def trace(run: Run) -> list[dict]:
    """Return the events of the profiler's Chrome trace of a call on a GPU."""
    with profile(activities=[ProfilerActivity.CUDA]) as profiler:
        run()
        torch.cuda.synchronize()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trace.json"
        profiler.export_chrome_trace(str(path))
        return json.loads(path.read_text())["traceEvents"]
