"""The full-size UNet with reference and drive of every version: ms, ratio to the bare UNet, VRAM, kernels."""

from __future__ import annotations

from ...sk_attention.versions import VERSIONS
from .measure import on_device, paired, peak
from .models import UNetCall
from .results import Section

MOVING = ("v2", "v3", "v5")  # one version for each kind of motion module


def run(bench, section: Section) -> None:
    """Measure each version without and with CFG, then with motion modules."""
    stills = [(version, guided, False) for guided in (False, True) for version in VERSIONS]
    moving = [(version, True, True) for version in MOVING]
    for version, guided, moves in section.within_budget(stills + moving):
        with section.attempt(f"{version}, CFG {guided}, motion {moves}"):
            _row(bench, section, version, guided, moves)


def _row(bench, section: Section, version: str, guided: bool, moves: bool) -> None:
    scale, models = bench.scale, bench.models
    model = models.applied(version, scale.window, moves)
    table = f"{scale.window} frames of {scale.pixels} px, {'with' if guided else 'without'} CFG"
    calls = (UNetCall(one, scale, scale.window, guided) for one in (models.model, model))
    with next(calls) as bare, next(calls) as patched:
        plain, ours, ratio = paired(bare, patched, scale.rounds)
        if not section.record["tables"].get(table):
            section.row(table, network="bare UNet", **_figures(bare, plain), ratio=1.0)
        name = f"{version} with motion" if moves else version
        section.row(table, network=name, **_figures(patched, ours), ratio=ratio)


def _figures(call: UNetCall, seconds: float) -> dict:
    return {"ms per call": 1000 * seconds, "peak VRAM, MiB": peak(call), "kernels": on_device(call).kernels}
