"""Trains an arm with one seed with the loop of `train`, and measures its figures during training.

A finished run is not repeated.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from ...train.loop import Settings, fit
from ...train.objective import Objective
from .arms import Arm
from .figures import Evaluator
from .people import Batch, People

DONE, CURVE, WEIGHTS = "result.json", "curve.json", "learned.pt"
TRIAL = 40  # least number of steps of a trial that chooses the learning rate


@dataclass(frozen=True)
class Plan:
    """Size of the experiment.

    Steps of the arms and of the base, batch size, learning rates to choose from, seeds, and
    size of the test set. If there are several rates, each is tried for a tenth of the steps,
    and at least TRIAL, to choose the rate of an arm.
    """

    steps: int = 6000
    base_steps: int = 4000
    batch: int = 16
    rates: tuple[float, ...] = (5e-4, 1e-3, 2e-3)
    seeds: int = 3
    people: int = 3000
    shown: int = 2000
    points: int = 10
    sampling: int = 8
    style: int = 300


class Learning:
    """Training task of one arm.

    `sheet` measures the averaged weights and appends the figures to curve.json.
    """

    unused: Sequence[nn.Module] = ()

    def __init__(
        self, name: str, arm: Arm, people: People, folder: Path, evaluate: Callable[[Arm], Any] | None
    ):
        self.name, self.arm, self.people, self.folder, self.evaluate = name, arm, people, folder, evaluate
        self.network, self.trained = Objective(arm, "v"), {"learned": arm.learned}
        self.began: float | None = None
        self.processor = self.curve[-1]["processor"] if self.curve else 0.0

    @property
    def curve(self) -> list[dict[str, float]]:
        path = self.folder / CURVE
        return json.loads(path.read_text()) if path.exists() else []

    def choose(self, draw: np.random.Generator, count: int) -> list[tuple[int, int]]:
        self._tick()
        self.began = time.process_time()
        rows, seeds = draw.integers(len(self.people), size=count), draw.integers(1 << 62, size=count)
        return [(int(row), int(seed)) for row, seed in zip(rows, seeds)]

    def collate(self, picks: Sequence[tuple[int, int]]) -> Batch:
        rows, draw = [row for row, _ in picks], torch.Generator().manual_seed(picks[0][1])
        return self.people.batch(rows, draw, self.arm.dropout)

    def _tick(self) -> None:
        """Add the processor time since the step began."""
        if self.began is not None:
            self.processor += time.process_time() - self.began
            self.began = None

    def sheet(self) -> None:
        """Measure and save the figures at this point of the run."""
        self._tick()
        if self.evaluate is not None:
            rows = [*self.curve, {"processor": round(self.processor, 2)} | self.evaluate(self.arm).numbers()]
            (self.folder / CURVE).write_text(json.dumps(rows, indent=1))


def settings(plan: Plan, steps: int, rate: float, seed: int, points: int) -> Settings:
    every = max(1, steps // points) if points else 0
    return Settings(
        steps, batch=plan.batch, rates=(rate, rate / 50), warmup=max(1, steps // 20), seed=seed, ema=0.99,
        save=every or steps, sheet=every,
    )  # fmt: skip


def trained(
    arm: Arm,
    people: People,
    plan: Settings,
    folder: Path,
    run: Mapping[str, Any],
    evaluate: Callable[[Arm], Any] | None = None,
) -> list[dict[str, float]]:
    """Train an arm, or read the results of an earlier run in `folder`. Returns the curve of its figures."""
    weights = folder / WEIGHTS
    task = Learning("arm", arm, people, folder, evaluate)
    if not weights.exists():
        folder.mkdir(parents=True, exist_ok=True)
        fit(task, plan, folder, run)
        torch.save(arm.learned.state_dict(), weights)
        (folder / "checkpoint.pt").unlink(missing_ok=True)
    arm.learned.load_state_dict(torch.load(weights, weights_only=True))
    arm.eval().requires_grad_(False)
    return task.curve


def best_rate(
    make: Callable[[], Arm], people: People, plan: Plan, folder: Path, evaluator: Evaluator
) -> float:
    """Return the rate with the least loss in a short trial with the first seed."""
    if len(plan.rates) == 1:
        return plan.rates[0]
    steps, wrong = max(plan.steps // 10, min(TRIAL, plan.steps)), {}
    for rate in plan.rates:
        arm = make()
        trained(arm, people, settings(plan, steps, rate, 0, 0), folder / f"rate-{rate:g}", {"rate": rate})
        wrong[rate] = evaluator.loss(arm)
    return min(wrong, key=wrong.get)


def parameters(arm: Arm) -> int:
    return sum(p.numel() for p in arm.learned.parameters())


def operations(arm: Arm, people: People, batch: int) -> int:
    """Return the number of multiplications and additions of one forward pass."""
    from torch.utils.flop_counter import FlopCounterMode

    sample = people.batch([0] * batch, torch.Generator().manual_seed(0), 0.0)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        arm(sample.noise, sample.timesteps, sample)
    return counter.get_total_flops()
