"""A farm of many workers, simulated: the driver hands out each step's windows as `farm/worker_pool.py` does, over a wire that all share.

No host, no torch: events in time.
"""

from __future__ import annotations

import heapq
import math
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from ...farm.scheduling import PARTS_EACH, SLOW, shared_out
from ...unet.clip import keyframes

FPS, STEPS, FIRST = 25, 25, 10  # of the clip; of the second stage and of the first
MINUTES, COUNTS, PARTS = (1, 5, 10, 30), (8, 16, 32, 64, 128, 256), (1, 2, 4, 8, 16, 32)


@dataclass(frozen=True)
class Costs:
    """Seconds, and bytes of one window each way.

    window   the UNet's time for it on an ordinary worker
    request  of asking and answering, whatever is in it
    taken    of the driver, for putting an answered window on the disk
    join     of the driver, for a window's share in blending, and in the disk for the whole
    start    until a worker answers its first request
    bytes    of a window, each way
    wire     bytes per second that go in and out of the driver, each way
    """

    window: float
    request: float
    taken: float
    join: float
    start: float
    bytes: float
    wire: float


@dataclass(frozen=True)
class Weather:
    """What goes wrong. spread: of the workers' speeds (sigma of a lognormal); slow: share of workers that are ten times slower;
    lost: losses a worker and hour."""

    spread: float = 0.0
    slow: float = 0.0
    lost: float = 0.0


WEATHER = Weather(spread=0.1, slow=0.02, lost=0.1)


@dataclass(frozen=True)
class Outcome:
    """seconds until the clip is sampled, share of the workers' time in which they computed nothing that was used, bytes over the wire."""

    seconds: float
    idle: float
    bytes: float


class Farm:
    """Workers and the wire to them, over the steps of a clip."""

    def __init__(self, workers: int, costs: Costs, weather: Weather = Weather(), seed: int = 0):  # noqa: B008
        self.costs, self.weather, self.random = costs, weather, random.Random(seed)
        slow = set(self.random.sample(range(workers), round(weather.slow * workers)))
        self.pace = [
            math.exp(self.random.gauss(0, weather.spread)) * (10 if w in slow else 1) for w in range(workers)
        ]
        self.free = [costs.start] * workers
        self.wire = {"in": 0.0, "out": 0.0}
        self.used = self.bytes = 0.0

    def step(self, now: float, windows: int, parts_each: int) -> float:
        """One call of the network over the clip -> when it is joined."""
        step = _Step([len(part) for part in shared_out(range(windows), parts_each * len(self.free))])
        # (time, worker, the part that it computed, whether that has arrived here too)
        events = [(max(now, free), worker, -1, True) for worker, free in enumerate(self.free)]
        heapq.heapify(events)
        idle: list[int] = []
        looks = math.inf  # when idle workers are thought of again
        while True:
            time, worker, part, arrived = heapq.heappop(events)
            if not arrived:
                heapq.heappush(
                    events, (self._over("in", time, step.sizes[part], self.costs.taken), worker, part, True)
                )
                continue
            if part >= 0 and step.answered(part, time, worker):
                self.used += step.sizes[part] * self.costs.window * self.pace[worker]
                if not step.missing:
                    break
            if worker >= 0:
                idle.append(worker)
            while idle and (step.waiting or time >= looks) and (part := step.next(time)) is not None:
                worker = min(idle, key=self.pace.__getitem__)
                idle.remove(worker)
                end, lost = self._computed(time, worker, step.sizes[part])
                if lost:
                    step.waiting.append(part)
                    heapq.heappush(events, (end + self.costs.start, worker, -1, True))
                else:
                    step.asked[worker, part] = time
                    heapq.heappush(events, (end, worker, part, False))
            if idle and step.took and not time < looks < math.inf:
                looks = step.next_late(time)
                heapq.heappush(events, (looks, -1, -1, True))
        self.free = [time] * len(self.free)
        for end, worker, *_ in events:  # what is computed twice, or starts again, keeps its worker busy
            if worker >= 0:
                self.free[worker] = end
        return time + windows * self.costs.join

    def _computed(self, time: float, worker: int, windows: int) -> tuple[float, bool]:
        """(when it has computed, or was lost; whether it was)."""
        arrived = self._over("out", time, windows) + self.costs.request
        done = arrived + windows * self.costs.window * self.pace[worker]
        until_lost = self.random.expovariate(self.weather.lost / 3600) if self.weather.lost else math.inf
        if time + until_lost < done:
            return time + until_lost, True
        return done, False

    def _over(self, way: str, time: float, windows: int, handled: float = 0.0) -> float:
        """When windows that are ready at `time` have gone over the wire and through the driver's hands, one after the other."""
        self.bytes += windows * self.costs.bytes
        self.wire[way] = max(self.wire[way], time) + windows * (self.costs.bytes / self.costs.wire + handled)
        return self.wire[way]


class _Step:
    """What is left of a step."""

    def __init__(self, sizes: list[int]):
        self.sizes = sizes
        self.waiting, self.missing = list(range(len(sizes)))[::-1], set(range(len(sizes)))
        self.asked: dict[tuple[int, int], float] = {}  # (worker, part) -> since
        self.took: list[float] = []

    def answered(self, part: int, time: float, worker: int) -> bool:
        """Whether this answer was missing."""
        since = self.asked.pop((worker, part))
        new = part in self.missing
        if new:
            self.missing.discard(part)
            self.took.append(time - since)
        return new

    def next(self, time: float) -> int | None:
        """A part to ask an idle worker for."""
        if self.waiting:
            return self.waiting.pop()
        if not self.took:
            return None
        limit = self._limit()
        return next((part for since, part in self._slow() if time >= since + limit), None)

    def next_late(self, time: float) -> float:
        """When a part will have taken too long."""
        limit = self._limit()
        return min((since + limit for since, _ in self._slow() if since + limit > time), default=time + limit)

    def _slow(self) -> list[tuple[float, int]]:
        """Parts assigned to a single worker: (since, part)."""
        asked = Counter(part for _, part in self.asked)
        return [
            (since, part)
            for (_, part), since in self.asked.items()
            if part in self.missing and asked[part] == 1
        ]

    def _limit(self) -> float:
        return SLOW * median(self.took)


def simulate(farm: Farm, steps: Sequence[int], parts_each: int) -> Outcome:
    """The clip, its calls of the network as numbers of windows."""
    now = 0.0
    for windows in steps:
        now = farm.step(now, windows, parts_each)
    return Outcome(now, 1 - farm.used / (now * len(farm.free)), farm.bytes)


def calls_of(minutes: int) -> list[int]:
    """Windows of each call of the network for a clip of v2 in two stages: every frame alone, then 12 that share 4."""
    frames = minutes * 60 * FPS
    return [math.ceil(frames / 12)] * FIRST + [len(keyframes.windows(frames, 12, 4))] * STEPS


def plot(costs: Costs, path) -> list[str]:
    """Draw speed-up, idle time and the size of parts -> the same as lines of text."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    lines = [f"{'clip':>7} {'workers':>8} {'hours':>7} {'speed-up':>9} {'idle':>6} {'GB':>7}"]
    figure, (speed, idle, size) = pyplot.subplots(1, 3, figsize=(13, 4), layout="constrained")
    for minutes in MINUTES:
        outcomes = [simulate(Farm(count, costs, WEATHER), calls_of(minutes), PARTS_EACH) for count in COUNTS]
        alone = sum(calls_of(minutes)) * (costs.window + costs.join)
        speed.plot(
            COUNTS, [alone / outcome.seconds for outcome in outcomes], marker="o", label=f"{minutes} min"
        )
        idle.plot(COUNTS, [100 * outcome.idle for outcome in outcomes], marker="o", label=f"{minutes} min")
        for count, o in zip(COUNTS, outcomes, strict=True):
            row = f"{minutes:3} min {count:8} {o.seconds / 3600:7.2f} {alone / o.seconds:9.1f} {100 * o.idle:4.0f} % {o.bytes / 1e9:7.1f}"
            lines.append(row)
    speed.plot(COUNTS, COUNTS, color="0.7", linestyle="--", label="ideal")
    for count in COUNTS:
        times = [simulate(Farm(count, costs, WEATHER), calls_of(10), parts).seconds for parts in PARTS]
        size.plot(PARTS, [time / min(times) for time in times], marker="o", label=f"{count} workers")
        hours = ", ".join(f"{parts}: {time / 3600:.2f} h" for parts, time in zip(PARTS, times, strict=True))
        lines.append(f"10 min, {count} workers, by parts a step and worker: {hours}")
    names = {
        speed: ("workers", "speed-up"),
        idle: ("workers", "idle, %"),
        size: ("parts a step, for each worker", "time, of the best"),
    }
    for axes, (across, what) in names.items():
        axes.set(xlabel=across, ylabel=what, xscale="log")
        axes.set_xticks(PARTS if axes is size else COUNTS, PARTS if axes is size else COUNTS, minor=False)
        axes.minorticks_off()
        axes.grid(alpha=0.3)
        axes.legend(frameon=False, fontsize=8)
    speed.set_yscale("log")
    speed.set_yticks(COUNTS, COUNTS)
    speed.minorticks_off()
    figure.savefig(path, dpi=80)
    return lines
