"""Clips on real workers, each with its own ComfyUI: the numbers of one machine, whatever happens on the way. Narrow networks."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import av
import pytest
import torch
from safetensors.torch import load_file

from sk_portrait.demo.environment import ROOT
from sk_portrait.farm import crew
from sk_portrait.farm.prepare import Prepared
from sk_portrait.farm.session import Session
from sk_portrait.farm.store import Store
from sk_portrait.tests.farm import graphs

psutil = pytest.importorskip("psutil")  # ComfyUI needs it

FRAMES, SAME = 40, 1e-5  # of the largest value


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


def require_same(latents: torch.Tensor, expected: torch.Tensor) -> None:
    assert (latents - expected).abs().max() <= SAME * expected.abs().max()


def windows_in(folder: Path) -> dict[str, int]:
    """Windows that each process has computed."""
    return {file.name: file.stat().st_size for file in folder.iterdir()}


def test_v2_is_the_single_run_though_a_worker_is_killed(ray, session, comfy, base, tmp_path):
    graph = graphs.clip("v2", FRAMES, steps=2, sampler="dpmpp_2m_sde")
    recruits = crew.Recruits(ray, crew.Place(comfy, base), 2)
    job = Prepared(session, graph)
    expected = session.evaluate(graph, {"video": ["clip", 0], "stage1": ["clip", 1]})
    workers = recruits.crew(job.task, job.given)
    (_, victim), _ = workers.identities()
    video, stage1 = job.sample(workers, Store(tmp_path), Quiet(lambda done: done == 12 and os.kill(victim, signal.SIGKILL)))
    require_same(video, expected["video"]["samples"])
    require_same(stage1, expected["stage1"]["samples"])
    job.finish((video, stage1))
    assert torch.equal(load_file(base / "output" / "farmed_00001_.latent")["latent_tensor"], video)
    some, first = Prepared(session, graph, (0, 3)).sample(workers, Store(tmp_path / "some"), Quiet())  # --frames 4
    require_same(first, expected["stage1"]["samples"][:4])
    assert (some - video[:4]).abs().max() <= 0.01 * video.abs().max()
    for worker in workers.workers:
        ray.kill(worker)


def test_a_worker_with_another_model_file_is_refused_by_its_name(ray, session, comfy, base, tmp_path):
    other = graphs.base(tmp_path)
    graphs.model(other, b"another file")
    recruits = crew.Recruits(ray, crew.Place(comfy, other), 1)
    job = Prepared(session, graphs.clip("v2", 12))
    workers = recruits.crew(job.task, job.given)
    with pytest.raises(crew.FarmError, match=f"worker .* the model {graphs.MOTION_FILE} is another file"):
        job.sample(workers, Store(tmp_path / "store"), Quiet())


def test_v5_is_the_single_run_though_the_command_is_interrupted(session, base, tmp_path):
    """And the same command again computes what is missing; neither leaves a process."""
    marks = tmp_path / "marks"
    marks.mkdir()
    single = session.evaluate(graphs.clip("v5", FRAMES, steps=2, mark=str(marks)), {"video": ["clip", 0]})["video"]["samples"]
    (total,) = windows_in(marks).values()
    graph = tmp_path / "clip.json"
    graph.write_text(json.dumps(graphs.clip("v5", FRAMES, steps=2, mark=str(marks), slow=0.3, film=True)))
    command = [sys.executable, str(ROOT / "run.py"), "farm", str(graph), "--workers", "1", "--base-directory", str(base)]
    environment = os.environ | {"RAY_worker_niceness": "0"}

    def start():
        for file in marks.iterdir():
            file.unlink()
        quiet = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "start_new_session": True}
        heeds = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # what runs in the background of a shell does not
        return subprocess.Popen([*command, "--output", str(tmp_path / "out")], env=environment, preexec_fn=heeds, **quiet)

    def finished() -> int:
        """Windows on disk: the tree has one of 1 window, then one of 4, each in 2 steps."""
        (folder,) = (tmp_path / "out").iterdir()
        runs = len(list(folder.glob("run1.npy"))) * 2
        calls = len(list(folder.glob("run1.?.npy"))) + 4 * len(list(folder.glob("run2.?.npy")))
        return runs + calls + sum(len(Store(folder).windows(f"run2.{call}")) for call in (1, 2))

    first = start()
    while first.poll() is None and (sum(windows_in(marks).values()) < 4):
        time.sleep(0.05)
    family = [*psutil.Process(first.pid).children(recursive=True), psutil.Process(first.pid)]
    os.killpg(first.pid, signal.SIGINT)  # as a terminal does
    first.communicate(timeout=60)
    assert first.returncode == 130 and psutil.wait_procs(family, timeout=20)[1] == []
    kept = finished()
    assert 0 < kept < total

    second = start()
    family = []
    while second.poll() is None:
        family += psutil.Process(second.pid).children(recursive=True) if second.poll() is None and len(family) < 5 else []
        time.sleep(0.2)
    assert second.returncode == 0, second.stdout.read()
    assert sum(windows_in(marks).values()) == total - kept
    (video,) = (tmp_path / "out").glob("*/video.latent")
    require_same(load_file(video)["latent_tensor"], single)
    with av.open(str(video.with_name("video.mp4"))) as film:
        assert sum(1 for _ in film.decode(video=0)) == FRAMES and film.streams.video[0].average_rate == 25
    assert psutil.wait_procs(family, timeout=20)[1] == []
