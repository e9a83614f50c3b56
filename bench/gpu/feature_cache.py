"""Compares a clip's features kept on the device with features
prefetched for the next window from pinned memory.

ComfyUI prefetches if VRAM is short.
"""

from __future__ import annotations

from ...nodes.hellomeme.attach import get_free_memory
from ...testing.compare import relative_error
from ...unet.hosts.comfy_hooks import bind, bound
from .clips import sampled
from .measure import peak, seconds
from .results import Section

VERSION = "v5"  # has features at all eight block boundaries
ROOM = {"on the device": get_free_memory, "prefetched": lambda device: 0.0}
TOLERANCE = 1e-5


def run(bench, section: Section) -> None:
    """Sample the same clip in both ways; the latents must be equal."""
    scale, latents, times = bench.scale, {}, {}
    model = bench.models.applied(VERSION, scale.frames)
    for name in section.within_budget(ROOM):
        with section.attempt(name):
            placed = bench.models.model.clone()
            bind(placed, bound(model), model.model_patches_models(), ROOM[name])
            kept = {}

            def clip(placed=placed, kept=kept) -> None:
                kept["spent"], kept["latents"] = sampled(bench, placed, VERSION, scale.few, 1.0)

            memory = peak(clip)
            seconds(clip)
            latents[name], times[name] = kept["latents"], sum(kept["spent"].values())
            section.row(
                f"{VERSION}, {scale.frames} frames, {scale.few} steps without CFG",
                features=name,
                **{"ms per frame": 1000 * times[name] / scale.frames, "peak VRAM, MiB": memory},
            )
    if len(latents) == len(ROOM):
        error = relative_error(*latents.values())
        section.row("Both give the same latents", error=error, limit=TOLERANCE, passed=error <= TOLERANCE)
