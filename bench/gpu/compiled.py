"""Results and time of torch.compile (ComfyUI's TorchCompileModel) and of the UNet call as a CUDA graph."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ...testing.compare import relative_error
from .measure import WARM_UP, cuda, seconds, timed
from .models import UNetCall
from .results import NEEDS_CUDA, Section

try:
    from comfy_api.torch_helpers import set_torch_compile_wrapper
    from comfy_extras import nodes_torch_compile
except ImportError:  # a ComfyUI of an earlier version
    set_torch_compile_wrapper = None

VERSIONS = ("v5", "v2")
# Largest allowed error relative to the largest value; fused kernels round differently.
HALF, SINGLE = 2e-2, 1e-5


def run(bench, section: Section) -> None:
    """Measure the CUDA graphs first, because they take seconds; compiling takes a minute per version."""
    for version in VERSIONS:
        with section.attempt(f"CUDA graph of {version}"):
            _row(bench, section, version, "CUDA graph", _graph)
    if set_torch_compile_wrapper is None:
        section.note(
            "This ComfyUI has no TorchCompileModel that compiles at sampling: torch.compile is not measured."
        )
        return
    for version in section.within_budget(VERSIONS if cuda() else VERSIONS[:1]):
        with section.attempt(f"torch.compile of {version}"):
            _row(bench, section, version, "torch.compile", _compiled)


def _row(bench, section: Section, version: str, way: str, make: Callable) -> None:
    scale = bench.scale
    model = bench.models.applied(version, scale.window)
    with UNetCall(model, scale, scale.window, True) as call:
        eager, plain = call().clone(), 1000 * timed(call, scale.rounds)
        found = make(bench, model, call)
    table = f"A UNet call of {scale.window} frames of {scale.pixels} px with CFG"
    row = {"version": version, "as": way, "eager, ms": plain}
    if found is None:
        section.row(table, **row, ms=NEEDS_CUDA)
        return
    result, milliseconds, first = found
    error, limit = relative_error(result, eager), SINGLE if bench.dtype == torch.float32 else HALF
    section.row(
        table,
        **row,
        ms=milliseconds,
        **{"first call, s": first},
        error=error,
        limit=limit,
        passed=error <= limit,
    )


Found = tuple[Tensor, float, float]  # result, milliseconds per call, seconds of the first call


def _compiled(bench, model, call: UNetCall) -> Found:
    """Compile the call with inductor on a GPU. On a CPU, where that takes minutes, it is only traced."""
    compiled, scale = model.clone(), bench.scale
    dropped = getattr(nodes_torch_compile, "skip_torch_compile_dict", None)
    set_torch_compile_wrapper(
        model=compiled,
        backend="inductor" if cuda() else "eager",
        options={"guard_filter_fn": dropped} if dropped else None,
    )
    with UNetCall(compiled, scale, scale.window, True) as fast:
        first = seconds(fast)
        return fast().clone(), 1000 * timed(fast, scale.rounds), first


def _graph(bench, model, call: UNetCall) -> Found | None:
    if not cuda():
        return None
    aside = torch.cuda.Stream()
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):
        for _ in range(WARM_UP):
            call()
    torch.cuda.current_stream().wait_stream(aside)
    graph = torch.cuda.CUDAGraph()

    def capture() -> None:
        with torch.cuda.graph(graph):
            kept.append(call())

    kept: list[Tensor] = []
    first = seconds(capture)
    return kept[0], 1000 * timed(graph.replay, bench.scale.rounds), first
