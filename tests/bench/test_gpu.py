"""`bench gpu` from its bundle, in processes of its own: what a machine without network and without ComfyUI runs, on a CPU."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sk_portrait.bench.gpu.pack import MOST, pack
from sk_portrait.bench.gpu.results import DONE, JSON, NEEDS_CUDA, PAGE, RUNNING
from sk_portrait.bench.gpu.sections import SECTIONS

HIDDEN = {"COMFYUI_PATH", "SK_PORTRAIT_ENV", "XDG_CACHE_HOME", "PYTHONPATH"}
FIRST, SECOND = "frames", "clip"


class Bundle:
    """A bundle without wheels, which this environment has, and what it measures in a home of its own."""

    def __init__(self, folder: Path):
        self.folder, self.output = folder, folder / "output"
        assert pack(folder, wheels=()) == 0

    def start(self, *arguments: str) -> subprocess.Popen:
        """Budgets are generous: the machine may be busy."""
        kept = {name: value for name, value in os.environ.items() if name not in HIDDEN}
        command = [sys.executable, self.folder / "start.py", "--device", "cpu", "--tiny", "--minutes", "600"]
        command += ["--output", self.output, *arguments]
        return subprocess.Popen(
            command, env=kept | {"HOME": str(self.folder)}, stdout=subprocess.PIPE, text=True
        )

    def sections(self) -> dict:
        """What is measured so far."""
        path = self.output / JSON
        return json.loads(path.read_text())["sections"] if path.is_file() else {}

    def state(self, name: str) -> str:
        """State of a section."""
        return self.sections().get(name, {}).get("state", "")


@pytest.fixture(scope="module")
def bundle(comfy, tmp_path_factory) -> Bundle:
    return Bundle(tmp_path_factory.mktemp("bundle"))


@pytest.fixture(scope="module")
def killed(bundle) -> dict:
    """The sections that a run leaves that is killed in its second section."""
    process = bundle.start("--only", FIRST, SECOND)
    while process.poll() is None and bundle.state(SECOND) != RUNNING:
        time.sleep(0.1)
    process.kill()
    process.wait()
    return bundle.sections()


def test_a_killed_run_leaves_the_sections_that_it_finished(bundle, killed):
    assert killed[FIRST]["state"] == DONE and killed[FIRST]["tables"]
    assert killed[SECOND]["state"] == RUNNING
    assert killed[FIRST]["title"] in (bundle.output / PAGE).read_text()


def test_the_next_run_measures_what_is_left(bundle, killed):
    process = bundle.start()
    said, _ = process.communicate()
    sections = bundle.sections()
    faults = [fault["traceback"] for section in sections.values() for fault in section["faults"]]
    assert (process.returncode, faults) == (0, []), said
    assert {name: section["state"] for name, section in sections.items()} == dict.fromkeys(SECTIONS, DONE)
    assert sections[FIRST]["started"] == killed[FIRST]["started"]
    assert all(section["tables"] for section in sections.values())


def test_figures_of_a_gpu_are_not_made_up(bundle, killed):
    """After the run above: on a CPU nothing says how many kernels a call starts, or what a CUDA graph takes."""
    tables = bundle.sections()["unet"]["tables"]
    assert {row["kernels"] for rows in tables.values() for row in rows} == {NEEDS_CUDA}


def test_a_bundle_is_small(bundle):
    """With the wheels, which are 8 MB."""
    files = [*bundle.folder.glob("*.zip"), bundle.folder / "start.py", bundle.folder / "run.sh"]
    assert sum(path.stat().st_size for path in files) < MOST - 8_000_000
