"""Quality against cost: few steps, guidance, and half precision."""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch

from ...demo.toy_model import SamplingOptions
from .test_set import Evaluator, Generator, Score, on_test_set

USUAL = SamplingOptions()
GUIDANCE = 1.0, USUAL.guidance, 2.5


def _named(options: SamplingOptions) -> str:
    return f"{options.steps} steps, CFG {options.guidance:g}"


WAYS = {
    _named(way): way
    for way in (SamplingOptions(steps, guidance) for steps in (4, 8, 25) for guidance in GUIDANCE)
}
HALVES = {
    f"{_named(USUAL)}, {name}": SamplingOptions(dtype=dtype)
    for name, dtype in (("bf16", torch.bfloat16), ("fp16", torch.float16))
}


@dataclass(frozen=True)
class Cost:
    """rows: UNet batch items per frame; seconds: per frame on this machine."""

    name: str
    rows: int
    seconds: float
    score: Score


def measured(table, evaluator: Evaluator, generator: Generator) -> list[Cost]:
    """Add one row per way to the table. Only the small effect of half precision passes or fails."""
    found = {}
    for name, options in (WAYS | HALVES).items():
        act, start = on_test_set(generator, evaluator, options), time.perf_counter()
        score = act()
        seconds = (time.perf_counter() - start) / len(evaluator.states)
        found[name] = Cost(name, options.steps * (1 if options.guidance == 1 else 2), seconds, score)
        table.say(name, f"{score.words()}  {found[name].rows} UNet rows, {seconds:.2f} s a frame")
    for name in HALVES:
        table.below(f"{name}: PSNR lost", found[_named(USUAL)].score.psnr - found[name].score.psnr, 0.5)
    return list(found.values())
