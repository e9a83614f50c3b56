"""`python run.py bench farm`: the time of one clip on workers of this machine, and
whether the result equals that of one process.

python run.py bench farm [--frames 1000] [--workers 1 2 4] [--only v2|v5]
    with tiny models (synthetic weights)
python run.py bench farm --simulate [--window SECONDS] [--output FILE]
    8 to 256 workers, from the figures below

Each clip runs in one process, then on each number of workers, then on the most workers with one killed
halfway, then interrupted and resumed. A row passes if every number of the clip differs by at most 1e-5 of the
largest; the last one passes if nothing finished is computed again.
"""

from __future__ import annotations

import os
import pickle
import signal
import tempfile
import time
from collections.abc import Callable
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

from ...host.environment import ROOT
from ..options import bench_parser
from ..verdict import row, verdict

SAME = 1e-5
WINDOW = 12 * 4 * 64 * 64 * 4  # bytes of 12 latents at 512 px


class Watched:
    """A progress object that counts the windows that arrive, and calls `act` once, after `after` windows."""

    def __init__(self, act: Callable[[], Any] = int, after: int = 0):
        self.act, self.after = act, after
        self.windows, self.done = 0, None  # done: of the current step

    def step(self, *_) -> None:
        """Show nothing."""

    def tick(self, steps: int = 1) -> None:
        """Show nothing."""

    def part(self, done: int, of: int) -> None:
        before, self.windows = self.windows, self.windows + (0 if self.done is None else done - self.done)
        self.done = None if done == of else done
        if before < self.after <= self.windows:
            self.act()


class Bench:
    """One ComfyUI in this process, Ray beside it, and for each row whether it passed."""

    def __init__(self, workers: int):
        from ...farm import worker_pool
        from ...farm.session import Session
        from ...host import installation
        from ...testing.farm import graphs

        self.graphs, self.folder, self.rows = graphs, Path(tempfile.mkdtemp(prefix="farm")), []
        base = graphs.base(self.folder / "base")
        self.session = Session(installation.find(), base)
        started = time.perf_counter()
        self.ray = worker_pool.begin(None, workers)
        self.pending = partial(
            worker_pool.PendingWorkers, self.ray, worker_pool.Place(installation.find(), base)
        )
        print(f"Ray: {time.perf_counter() - started:.1f} s")

    def clip(self, kind: str, frames: int, counts: list[int]) -> None:
        """Print one row for every way to sample a clip."""
        from ...farm.prepare import Prepared

        graph = self.graphs.clip(kind, frames, steps=2, sampler="dpmpp_2m_sde" if kind == "v5" else "euler")
        self.job = Prepared(self.session, graph)
        started = time.perf_counter()
        self.single = self.session.evaluate(graph, {"video": ["clip", 0]})["video"]["samples"]
        took, sent = time.perf_counter() - started, len(pickle.dumps(self.job.given))
        print(f"{kind}, {frames} frames, one process: {took:.1f} s; {sent:,} bytes to a worker")
        for count in counts:
            with self.pool(count) as (workers, ready):
                windows = self.row(f"{count} workers: ready in {ready:.1f} s", workers, f"{kind}{count}")
        with self.pool(max(counts)) as (workers, _):
            (_, victim), *_ = workers.identities()
            watched = Watched(partial(os.kill, victim, signal.SIGKILL), windows // 2)
            self.row(f"{max(counts)} workers, one killed", workers, f"{kind} killed", watched)
        with self.pool(max(counts)) as (workers, _), suppress(KeyboardInterrupt):
            watched = Watched(_interrupt, windows // 2)
            self.job.sample(workers, self._store(f"{kind} resumed"), watched)
        with self.pool(max(counts)) as (workers, _):
            said = f"interrupted after {watched.windows} of {windows} windows and resumed"
            rest = self.row(f"{max(counts)} workers, {said}", workers, f"{kind} resumed")
        missing = windows - watched.windows
        self.rows.append(row(rest == missing, f"    which computed {rest} windows (missing were {missing})"))

    @contextmanager
    def pool(self, count: int):
        """Yield a pool of workers for the clip and the seconds until they were ready; shut it down."""
        started = time.perf_counter()
        workers = self.pending(count).pool(self.job.task, self.job.given)
        workers.identities()
        try:
            yield workers, time.perf_counter() - started
        finally:
            for worker in workers.workers:
                self.ray.kill(worker)

    def row(self, name: str, workers, store: str, watched: Watched | None = None) -> int:
        """Sample the clip, and print a row, which passes if every number equals that of the single run.

        Returns the computed windows.
        """
        started, watched = time.perf_counter(), watched or Watched()
        video, _ = self.job.sample(workers, self._store(store), watched)
        took = time.perf_counter() - started
        difference = float((video - self.single).abs().max() / self.single.abs().max())
        told = f"  {name}, sampled in {took:.1f} s, {_request(workers) * 1e3:.1f} ms a request, "
        told += f"difference {difference:.1e} of the largest number (at most {SAME:.0e})"
        self.rows.append(row(difference <= SAME, told))
        return watched.windows

    def _store(self, name: str):
        from ...farm.store import Store

        return Store(self.folder / name)


def measure(frames: int, counts: list[int], kinds: list[str]) -> int:
    """Print the rows of every clip. Returns 0 if all results equal those of the single run."""
    bench = Bench(max(counts))
    try:
        for kind in kinds:
            bench.clip(kind, frames, counts)
    finally:
        bench.ray.shutdown()
    return verdict(bench.rows)


def _interrupt() -> None:
    raise KeyboardInterrupt


def _request(workers) -> float:
    """Return the seconds of one request and its answer without any work."""
    from ...farm.worker_pool import Request

    count = 50
    started = time.perf_counter()
    list(workers.answers([Request("identity", (), number) for number in range(count)]))
    return (time.perf_counter() - started) / count


def simulated(window: float, wire: float, output: Path) -> int:
    """Print and draw the simulation. window: seconds of a window; wire: Gbit/s; output: path of the plot."""
    from .farm_simulation import Costs, plot

    # The least, because other programs of this machine only add to it.
    taken, join = (min(times) for times in zip(*(joining() for _ in range(5)), strict=True))
    costs = Costs(
        window, request=0.002, taken=taken, join=join, start=60.0, bytes=WINDOW, wire=wire * 1e9 / 8
    )
    print(
        f"assumed: {window} s a window, {wire:g} Gbit/s; measured, of the driver: {taken * 1e3:.1f} + {join * 1e3:.1f} ms per window"
    )
    print("\n".join(plot(costs, output)))
    print(output)
    return 0


def joining(windows: int = 100) -> tuple[float, float]:
    """Return the driver's seconds per window at 512 px on this machine.

    The first is for writing it to disk; the second for blending it and writing the whole clip to disk.
    """
    import torch

    from ...farm.store import Store
    from ...unet.clip import keyframes
    from ...unet.clip.windows import Plan, blend
    from ...unet.feature_cache import evenly

    frames = 12 + 8 * (windows - 1)
    plan = Plan.of(keyframes.windows(frames, 12, 4), True, range(frames), frames)
    result = torch.randn(12, 4, 64, 64)
    with tempfile.TemporaryDirectory() as folder:
        store, started = Store(Path(folder)), time.perf_counter()
        for window in range(windows):
            store.save_windows("run1.1", {window: result})
        taken, started = time.perf_counter() - started, time.perf_counter()
        fused, weight = torch.zeros(frames, 4, 64, 64), torch.zeros(frames, 1, 1, 1)
        for positions, shares in zip(plan.windows, plan.shares, strict=True):
            blend([fused], weight, evenly(tuple(positions)), shares, [result])
        store.save("run1.1", fused)
        return taken / windows, (time.perf_counter() - started) / windows


def main(argv: list[str]) -> int:
    parser = bench_parser("farm", __doc__)
    parser.add_argument("--frames", type=int, default=1000)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--only", choices=("v2", "v5"))
    parser.add_argument("--simulate", action="store_true", help="draw what 8 to 256 workers would need")
    parser.add_argument(
        "--window", type=float, default=1.0, help="seconds of a worker for a window, simulated"
    )
    parser.add_argument("--wire", type=float, default=10.0, help="Gbit/s at the driver, simulated")
    parser.add_argument(
        "--output", type=Path, default=ROOT / "farm" / "simulated.png", help="plot, simulated"
    )
    options = parser.parse_args(argv)
    if options.simulate:
        return simulated(options.window, options.wire, options.output)
    return measure(options.frames, options.workers, [options.only] if options.only else ["v2", "v5"])
