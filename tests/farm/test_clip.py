"""Clips on real workers, each with its own ComfyUI: the numbers of one machine, whatever happens on the way. Tiny models."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import av
import pytest
import torch
from safetensors.torch import load_file

from sk_portrait.farm import worker_pool
from sk_portrait.farm.on_ray import deliver
from sk_portrait.farm.prepare import Prepared
from sk_portrait.farm.session import Session
from sk_portrait.farm.store import Store
from sk_portrait.host.environment import ROOT
from sk_portrait.testing.farm import graphs

psutil = pytest.importorskip("psutil")  # ComfyUI needs it

FRAMES, SAME = 40, 1e-5  # of the largest value
WINDOWS = 10  # of v5's tree in 2 steps: a level of one window, then one of 4


class Quiet:
    """Progress that nobody sees; `at` is called with the number of the finished window."""

    def __init__(self, at=lambda done: None):
        self.at, self.windows = at, 0

    def step(self, *_): ...

    def tick(self, steps=1): ...

    def part(self, done, of):
        self.windows += 1
        self.at(self.windows)


@pytest.fixture(scope="module")
def session(comfy, base):
    return Session(comfy, base)


@pytest.fixture(scope="module")
def pending(ray, comfy, base):
    """Two workers that have opened ComfyUI, for one clip after another."""
    opened = worker_pool.PendingWorkers(ray, worker_pool.Place(comfy, base), 2)
    yield opened
    for worker in opened.workers:
        ray.kill(worker)


def require_same(latents: torch.Tensor, expected: torch.Tensor) -> None:
    assert (latents - expected).abs().max() <= SAME * expected.abs().max()


def windows_in(folder: Path) -> int:
    """Windows that all processes have computed."""
    return sum(file.stat().st_size for file in folder.iterdir())


def test_v2_is_the_single_run_though_a_worker_is_killed(pending, session, base, tmp_path):
    graph = graphs.clip("v2", FRAMES, steps=2, sampler="dpmpp_2m_sde")
    job = Prepared(session, graph)
    expected = session.evaluate(graph, {"video": ["clip", 0], "stage1": ["clip", 1]})
    workers = pending.pool(job.task, job.given)
    (_, victim), _ = workers.identities()
    video, stage1 = job.sample(
        workers, Store(tmp_path), Quiet(lambda done: done == 12 and os.kill(victim, signal.SIGKILL))
    )
    require_same(video, expected["video"]["samples"])
    require_same(stage1, expected["stage1"]["samples"])
    job.finish((video, stage1))
    assert torch.equal(load_file(base / "output" / "farmed_00001_.latent")["latent_tensor"], video)
    some, first = Prepared(session, graph, (0, 3)).sample(
        workers, Store(tmp_path / "some"), Quiet()
    )  # --frames 4
    require_same(first, expected["stage1"]["samples"][:4])
    assert (some - video[:4]).abs().max() <= 0.01 * video.abs().max()


def test_v5_is_the_single_run_though_the_command_is_interrupted(pending, session, base, tmp_path):
    """Ctrl-C leaves no process; then only what is missing is computed."""
    marks, out, saved = tmp_path / "marks", tmp_path / "out", tmp_path / "clip.json"
    marks.mkdir()
    graph = graphs.clip("v5", FRAMES, steps=2, mark=str(marks), slow=0.3, film=True)
    saved.write_text(json.dumps(graph))
    options = ["--workers", "1", "--base-directory", str(base), "--output", str(out)]
    running = subprocess.Popen(
        [sys.executable, str(ROOT / "run.py"), "farm", str(saved), *options],
        env=os.environ | {"RAY_worker_niceness": "0"},
        preexec_fn=graphs.heed_interrupts,
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    single = session.evaluate(graphs.clip("v5", FRAMES, steps=2), {"video": ["clip", 0]})["video"][
        "samples"
    ]  # while that starts
    while running.poll() is None and windows_in(marks) < 4:
        time.sleep(0.05)
    assert running.poll() is None, running.stdout.read().decode()
    family = [*psutil.Process(running.pid).children(recursive=True), psutil.Process(running.pid)]
    os.killpg(running.pid, signal.SIGINT)  # as a terminal does
    running.communicate(timeout=60)
    assert running.returncode == 130 and psutil.wait_procs(family, timeout=20)[1] == []

    job = Prepared(session, graph)
    store = Store(out / job.digest)
    kept, before = finished(store), windows_in(marks)
    assert 0 < kept < WINDOWS
    workers = pending.pool(job.task, job.given)
    stages = job.sample(workers, store, Quiet())
    assert windows_in(marks) - before == WINDOWS - kept
    deliver(job, store.folder, workers, stages)
    require_same(load_file(store.folder / "video.latent")["latent_tensor"], single)
    with av.open(str(store.folder / "video.mp4")) as film:
        assert sum(1 for _ in film.decode(video=0)) == FRAMES and film.streams.video[0].average_rate == 25


def finished(store: Store) -> int:
    """Windows on disk."""
    runs = len(list(store.folder.glob("run1.npy"))) * 2
    calls = len(list(store.folder.glob("run1.?.npy"))) + 4 * len(list(store.folder.glob("run2.?.npy")))
    return runs + calls + sum(len(store.windows(f"run2.{call}")) for call in (1, 2))


def test_a_worker_with_another_model_file_is_refused_by_its_name(pending, session, base, tmp_path):
    job = Prepared(session, graphs.clip("v2", 12))
    graphs.model(base, b"another file")
    with pytest.raises(
        worker_pool.FarmError, match=f"worker .* the model {graphs.MOTION_FILE} is another file"
    ):
        job.sample(pending.pool(job.task, job.given), Store(tmp_path / "store"), Quiet())
    graphs.model(base, b"the same on all machines")
