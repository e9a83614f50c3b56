"""The sections of `bench gpu`, the most important first. Each module has `run(bench, section)`."""

from __future__ import annotations

from typing import NamedTuple

MINUTES = 8.0  # of all sections together on a data-centre card


class Entry(NamedTuple):
    """module: in this package; title: on the page.

    budget: share of the time of all sections, after which nothing new is measured
    """

    module: str
    budget: int
    title: str


def budget_of(name: str, minutes: float) -> float:
    """Return the seconds of a section if all sections together have this many minutes."""
    return 60 * minutes * SECTIONS[name].budget / sum(entry.budget for entry in SECTIONS.values())


SECTIONS = {
    "parity": Entry("parity", 60, "Parity of every version"),
    "unet": Entry("unet_calls", 90, "Time, memory and kernels of a UNet call"),
    "waits": Entry("waits", 45, "Synchronisations and host-to-device copies"),
    "clip": Entry("clips", 100, "A clip through the Portrait Video Sampler"),
    "cache": Entry("feature_cache", 40, "Features on the device against prefetched"),
    "frames": Entry("frames", 50, "Track, crop, patches, drive encoder and VAE decode"),
    "compile": Entry("compiled", 90, "torch.compile and CUDA graphs"),
    "distance": Entry("distance", 5, "Distance to 12.8 ms per frame"),
}
