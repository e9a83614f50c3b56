"""`python run.py bench farm`: what one clip costs on workers of this machine, and whether it is what one process gives.

python run.py bench farm [--frames 1000] [--workers 1 2 4] [--only v2|v5]     with narrow networks (synthetic weights)
python run.py bench farm --simulate [--window SECONDS] [--output FILE]        8 to 256 workers, from the figures below

Each clip runs in one process, then on so many workers, then on the most with one of them killed in the middle. A row passes where every
number of the clip is within 1e-5 of the largest.
"""

from __future__ import annotations

import argparse
import os
import pickle
import signal
import tempfile
import time
from pathlib import Path

from ..demo.environment import ROOT

SAME = 1e-5
WINDOW = 12 * 4 * 64 * 64 * 4  # bytes of 12 latents at 512 px


class Watched:
    """Progress that ends a worker once, in the middle."""

    def __init__(self, victim: int | None, after: int):
        self.victim, self.left = victim, after

    def step(self, *_) -> None:
        """Nothing is shown."""

    def tick(self, steps: int = 1) -> None:
        """Nothing is shown."""

    def part(self, done: int, of: int) -> None:
        self.left -= 1
        if self.victim and self.left == 0:
            os.kill(self.victim, signal.SIGKILL)


def measure(frames: int, counts: list[int], kinds: list[str]) -> bool:
    """Print a row for every clip -> whether all are the single run's."""
    from ..demo import host
    from ..farm import crew
    from ..farm.prepare import Prepared
    from ..farm.session import Session
    from ..farm.store import Store
    from ..tests.farm import graphs

    comfy, folder = host.find(), Path(tempfile.mkdtemp(prefix="farm"))
    base = graphs.base(folder / "base")
    session, passed, failed = Session(comfy, base), 0, 0
    started = time.perf_counter()
    ray = crew.begin(None, max(counts))
    print(f"Ray: {time.perf_counter() - started:.1f} s")
    try:
        for kind in kinds:
            graph = graphs.clip(kind, frames, steps=2, sampler="dpmpp_2m_sde" if kind == "v5" else "euler")
            job = Prepared(session, graph)
            started = time.perf_counter()
            single = session.evaluate(graph, {"video": ["clip", 0]})["video"]["samples"]
            took, sent = time.perf_counter() - started, len(pickle.dumps(job.given))
            print(f"{kind}, {frames} frames, one process: {took:.1f} s; {sent:,} bytes to a worker")
            for count, killed in [*((count, False) for count in counts), (max(counts), True)]:
                started = time.perf_counter()
                workers = crew.Recruits(ray, crew.Place(comfy, base), count).crew(job.task, job.given)
                ids = workers.identities()
                ready, started = time.perf_counter() - started, time.perf_counter()
                watched = Watched(ids[0][1] if killed else None, after=frames // 12)
                video, _ = job.sample(workers, Store(folder / f"{kind}{count}{killed}"), watched)
                took = time.perf_counter() - started
                difference = float((video - single).abs().max() / single.abs().max())
                passed, failed = passed + (difference <= SAME), failed + (difference > SAME)
                print(
                    f"  {count} workers{', one killed' * killed}: ready in {ready:.1f} s, sampled in {took:.1f} s, "
                    f"{_request(workers) * 1e3:.1f} ms a request, difference {difference:.1e} of the largest number (at most {SAME:.0e})",
                    flush=True,
                )
                for worker in workers.workers:
                    ray.kill(worker)
    finally:
        ray.shutdown()
    print(f"{passed} passed, {failed} failed")
    return failed == 0


def _request(workers) -> float:
    """Seconds of asking and answering, with nothing in it."""
    from ..farm.crew import Request

    count = 50
    started = time.perf_counter()
    list(workers.answers([Request("identity", (), number) for number in range(count)]))
    return (time.perf_counter() - started) / count


def simulated(window: float, wire: float, output: Path) -> int:
    """Draw and print the simulation."""
    from .farm_simulation import Costs, plot

    taken, join = (min(times) for times in zip(*(joining() for _ in range(5)), strict=True))  # the least: what else runs here is no cost
    costs = Costs(window, request=0.002, taken=taken, join=join, start=60.0, bytes=WINDOW, wire=wire * 1e9 / 8)
    print(f"assumed: {window} s a window, {wire:g} Gbit/s; measured, of the driver: {taken * 1e3:.1f} + {join * 1e3:.1f} ms a window")
    print("\n".join(plot(costs, output)))
    print(output)
    return 0


def joining(windows: int = 100) -> tuple[float, float]:
    """Seconds of this machine for a window at 512 px: to put it on the disk, and to blend it and put the whole on the disk."""
    import torch

    from ..farm.store import Store
    from ..unet import stages
    from ..unet.residence import evenly
    from ..unet.windows import Plan, blend

    frames = 12 + 8 * (windows - 1)
    plan, result = Plan.of(stages.windows(frames, 12, 4), True, range(frames), frames), torch.randn(12, 4, 64, 64)
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
    parser = argparse.ArgumentParser(prog="run.py bench farm", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=1000)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--only", choices=("v2", "v5"))
    parser.add_argument("--simulate", action="store_true", help="draw what 8 to 256 workers would need")
    parser.add_argument("--window", type=float, default=1.0, help="seconds of a worker for a window, simulated (default: %(default)s)")
    parser.add_argument("--wire", type=float, default=10.0, help="gigabits a second at the driver, simulated (default: %(default)s)")
    parser.add_argument("--output", type=Path, default=ROOT / "farm" / "simulated.png")
    options = parser.parse_args(argv)
    if options.simulate:
        return simulated(options.window, options.wire, options.output)
    return 0 if measure(options.frames, options.workers, [options.only] if options.only else ["v2", "v5"]) else 1
