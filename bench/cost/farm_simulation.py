"""Simulates a farm of many workers.

The driver hands out each step's windows as `farm/worker_pool.py` does, over one shared network link.

It needs neither a host nor torch: it simulates events in time.
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

FPS, STEPS, FIRST = 25, 25, 10  # of the clip; steps of the second and of the first stage
MINUTES, COUNTS, PARTS = (1, 5, 10, 30), (8, 16, 32, 64, 128, 256), (1, 2, 4, 8, 16, 32)


@dataclass(frozen=True)
class Costs:
    """Costs in seconds, and in bytes of one window in each direction.

    window   UNet time of a window on an ordinary worker
    request  overhead of a request and its answer, independent of their size
    taken    driver time to write a received window to disk
    join     driver time per window for blending, and for writing the whole clip to disk
    start    from starting a worker to its first answer
    bytes    of a window, in each direction
    wire     bytes per second into and out of the driver, in each direction
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
    """Disturbances.

    spread: sigma of the lognormal distribution of the workers' speeds; slow: share of workers that are ten
    times slower; lost: losses per worker and hour.
    """

    spread: float = 0.0
    slow: float = 0.0
    lost: float = 0.0


WEATHER = Weather(spread=0.1, slow=0.02, lost=0.1)


@dataclass(frozen=True)
class Outcome:
    """Result of a simulation.

    seconds: until the clip is sampled; idle: share of the workers' time not spent on results that were used;
    bytes: over the network
    """

    seconds: float
    idle: float
    bytes: float


class Farm:
    """Workers and the network link to them, over the steps of a clip."""

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
        """Simulate one network call for the whole clip. Returns the time at which its windows are joined."""
        step = _Step([len(part) for part in shared_out(range(windows), parts_each * len(self.free))])
        # (time, worker, the part that it computed, whether the result has also arrived at the driver)
        events = [(max(now, free), worker, -1, True) for worker, free in enumerate(self.free)]
        heapq.heapify(events)
        idle: list[int] = []
        looks = math.inf  # the next time at which idle workers are considered for parts that take too long
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
        for end, worker, *_ in events:  # a worker stays busy if it computes a part twice or is starting again
            if worker >= 0:
                self.free[worker] = end
        return time + windows * self.costs.join

    def _computed(self, time: float, worker: int, windows: int) -> tuple[float, bool]:
        """Return (time at which the part is computed or the worker is lost, whether it was lost)."""
        arrived = self._over("out", time, windows) + self.costs.request
        done = arrived + windows * self.costs.window * self.pace[worker]
        until_lost = self.random.expovariate(self.weather.lost / 3600) if self.weather.lost else math.inf
        if time + until_lost < done:
            return time + until_lost, True
        return done, False

    def _over(self, way: str, time: float, windows: int, handled: float = 0.0) -> float:
        """Return when windows ready at `time` have been sent and then handled by the driver, one by one."""
        self.bytes += windows * self.costs.bytes
        self.wire[way] = max(self.wire[way], time) + windows * (self.costs.bytes / self.costs.wire + handled)
        return self.wire[way]


class _Step:
    """The parts of a step that are not finished."""

    def __init__(self, sizes: list[int]):
        self.sizes = sizes
        self.waiting, self.missing = list(range(len(sizes)))[::-1], set(range(len(sizes)))
        self.asked: dict[tuple[int, int], float] = {}  # (worker, part) -> time of the request
        self.took: list[float] = []

    def answered(self, part: int, time: float, worker: int) -> bool:
        """Record an answer, and return whether its part was still missing."""
        since = self.asked.pop((worker, part))
        new = part in self.missing
        if new:
            self.missing.discard(part)
            self.took.append(time - since)
        return new

    def next(self, time: float) -> int | None:
        """Return a part to request from an idle worker, or None."""
        if self.waiting:
            return self.waiting.pop()
        if not self.took:
            return None
        limit = self._limit()
        return next((part for since, part in self._slow() if time >= since + limit), None)

    def next_late(self, time: float) -> float:
        """Return the time at which the next part will have taken too long."""
        limit = self._limit()
        return min((since + limit for since, _ in self._slow() if since + limit > time), default=time + limit)

    def _slow(self) -> list[tuple[float, int]]:
        """Return the parts that are assigned to a single worker, as (time of the request, part)."""
        asked = Counter(part for _, part in self.asked)
        return [
            (since, part)
            for (_, part), since in self.asked.items()
            if part in self.missing and asked[part] == 1
        ]

    def _limit(self) -> float:
        return SLOW * median(self.took)


def simulate(farm: Farm, steps: Sequence[int], parts_each: int) -> Outcome:
    """Simulate a clip. steps: number of windows of each call of the network."""
    now = 0.0
    for windows in steps:
        now = farm.step(now, windows, parts_each)
    return Outcome(now, 1 - farm.used / (now * len(farm.free)), farm.bytes)


def calls_of(minutes: int) -> list[int]:
    """Return the number of windows of each call of the network for a v2 clip in two stages.

    The first stage samples every frame alone; the second has windows of 12 frames with an overlap of 4.
    """
    frames = minutes * 60 * FPS
    return [math.ceil(frames / 12)] * FIRST + [len(keyframes.windows(frames, 12, 4))] * STEPS


def plot(costs: Costs, path) -> list[str]:
    """Draw speed-up, idle time and the size of parts, and return them as lines of text."""
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
