"""Measures a clip with the Portrait Video Sampler: milliseconds per frame by part,
with few steps without CFG and many with CFG.

The profiler then shows what the device does in that time.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import torch
from torch import Tensor

from ...nodes.hellomeme.clip_runs import Clip
from ...nodes.hellomeme.two_stage import PAPER, SamplerInputs, prepare
from ..official.clip import Watch, now
from .kernels import profiled
from .results import Section

FIRST_STAGE = 10  # largest number of steps of the first stage of v1 and v2
VERSIONS = ("v5", "v2")  # key frames, and two stages
TABLE = "Milliseconds per frame"


def run(bench, section: Section) -> None:
    """Sample a clip per version and number of steps, then a short one per version under the profiler."""
    scale = bench.scale
    ways = ((scale.few, 1.0), (scale.many, 2.0))
    clips = [(version, *way) for version in VERSIONS for way in ways]
    for version, steps, cfg in section.within_budget(clips):
        name = f"{version}, {steps} steps {'without' if cfg == 1.0 else 'with'} CFG"
        with section.attempt(name):
            model = bench.models.applied(version, scale.frames)
            spent, _ = sampled(bench, model, version, steps, cfg)
            each = {part: 1000 * seconds / scale.frames for part, seconds in spent.items()}
            section.row(TABLE, clip=name, frames=scale.frames, whole=sum(each.values()), **each)
            section.bars("Milliseconds per frame by part", "ms", name, each)
    for version in section.within_budget(VERSIONS):
        with section.attempt(f"profile of {version}"):
            _profile(bench, section, version)


def _profile(bench, section: Section, version: str) -> None:
    """Sample the short clip, first without the profiler: time in which no kernel runs is idle."""
    frames, steps = bench.scale.short, bench.scale.few
    model = bench.models.applied(version, frames)
    run = partial(sampled, bench, model, version, steps, 1.0)
    run()
    spent, _ = run()
    places, kinds = profiled(run)
    kinds["idle"] = max(0.0, sum(spent.values()) - sum(kinds.values()))
    name = f"{version}, {steps} steps, {frames} frames"
    for title, found in (("Whose work it is", places), ("What the device does", kinds)):
        section.bars(title, "ms per frame", name, {part: 1000 * s / frames for part, s in found.items()})


class TimedClip(Clip):
    """A Clip that times its runs."""

    def __init__(self, watch: Watch, *args):
        super().__init__(*args)
        self.watch = watch

    def run(self, frames, windows, noise, sigmas, start=None, moves=True, *args, **kwargs) -> Tensor:
        """See Clip."""
        name = "video" if len(frames) >= len(self) else "key frames"
        with timed(self.watch, name if moves else "first stage"):
            return super().run(frames, windows, noise, sigmas, start, moves, *args, **kwargs)

    def look(self, *args) -> dict:
        """See Clip."""
        with timed(self.watch, "features of key frames"):
            return super().look(*args)


@contextmanager
def timed(watch: Watch, name: str) -> Iterator[None]:
    """Run a watch while the context is open."""
    watch.start(name)
    yield
    watch.stop(name)


def sampled(bench, model, version: str, steps: int, cfg: float) -> tuple[dict[str, float], Tensor]:
    """Sample a clip as long as the MODEL's drive. Returns part -> seconds, and the latents."""
    import comfy.samplers
    from comfy_extras.nodes_custom_sampler import Noise_RandomNoise

    from ...sk_attention.drive import DrivePatch
    from ...unet.hosts.comfy_hooks import bound

    scale, watch, noise = bench.scale, Watch(now), Noise_RandomNoise(1)
    frames = next(len(w.patch.drive) for w in bound(model) if isinstance(w.patch, DrivePatch))
    motions = bench.models.motions(version)
    inputs = SamplerInputs(
        noise,
        bench.guider(model, cfg),
        comfy.samplers.sampler_object("euler"),
        bench.sigmas(steps),
        {"samples": torch.zeros(frames, 4, scale.side, scale.side)},
        motions[0],
        FIRST_STAGE,
        scale.window,
        scale.overlap,
        PAPER,
        motion_2=motions[1] if len(motions) > 1 else None,
    )
    order, clip = prepare(partial(TimedClip, watch), inputs)
    start = now()
    latents, _ = order.sample(clip, noise)
    rest = now() - start - sum(watch.spent.values())
    return watch.spent | {"around": rest}, latents
