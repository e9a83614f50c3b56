"""Runs the sections in a process of their own.

If it ends or hangs, another process continues with the remaining sections.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from argparse import Namespace
from pathlib import Path

from ...host.environment import ROOT
from ..verdict import verdict
from .results import DONE, ENDED, FAILED, NOT_RUN, RUNNING, Results
from .sections import SECTIONS, budget_of

# Output of a process, and how many of its last lines are shown for the section in which it ended.
LOG, LINES = "worker.log", 30
PATIENCE, GRACE = 1.5, 30.0  # a section is stopped after PATIENCE x its budget + GRACE seconds
# Environment variable with the path of a bundle's script, which starts the processes in its own way.
STARTER = "SK_PORTRAIT_START"
START, POLL = 20.0, 0.2  # seconds from the start of a process to its first section, and between two checks


def supervise(options: Namespace, results: Results) -> int:
    """Run the sections that are not done, or those that were asked for. Returns 0 if all of them are done."""
    results.begin(device=options.device, scale="tiny" if options.tiny else "full")
    names = options.only or [name for name in SECTIONS if options.again or results.state(name) != DONE]
    began, left = time.time(), list(names)
    end = began + 60 * options.minutes
    while left and time.time() < end - START:
        reason = _worker(options, results, left, end)
        results.reload()
        begun = [name for name in left if results.started(name) >= began] or left[:1]
        for name in begun:
            if results.started(name) < began or results.state(name) not in ENDED:
                results.finish(name, FAILED, f"{reason} Its last lines:\n{_tail(results.folder)}")
        left = [name for name in left if name not in begun]
    for name in left:
        results.finish(name, NOT_RUN, "The time was up.")
    return _summary(results, names)


def _worker(options: Namespace, results: Results, names: list[str], end: float) -> str:
    """Run sections in one process until it ends, hangs or reaches the time limit. Returns how it ended."""
    starter = os.environ.get(STARTER)
    command = [sys.executable, *([starter] if starter else [str(ROOT / "run.py"), "bench", "gpu"])]
    command += ["--worker", str(end)]
    command += ["--minutes", str(options.minutes)]
    command += ["--device", options.device, "--output", str(results.folder), "--only", *names]
    command += ["--tiny"] if options.tiny else []
    hidden = {"CUDA_VISIBLE_DEVICES": ""} if options.device == "cpu" else {}
    with (results.folder / LOG).open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=os.environ | hidden)
        try:
            return _watched(process, results, end, options.minutes)
        finally:
            process.kill()
            process.wait()


def _watched(process: subprocess.Popen, results: Results, end: float, minutes: float) -> str:
    shown = {name: results.state(name) for name in SECTIONS}
    while process.poll() is None:
        time.sleep(POLL)
        results.reload()
        now = time.time()
        for name in SECTIONS:
            if shown[name] != (state := results.state(name)):
                shown[name] = state
                print(f"{name}: {state}", flush=True)
            allowed = PATIENCE * budget_of(name, minutes) + GRACE
            if state == RUNNING and now > min(results.started(name) + allowed, end + GRACE):
                return (
                    f"The process was stopped {now - results.started(name):.0f} s after this section began."
                )
    return f"The process ended with status {process.returncode}."


def _tail(folder: Path) -> str:
    lines = (folder / LOG).read_text(encoding="utf-8", errors="replace").splitlines()
    return "\n".join(lines[-LINES:])


def _summary(results: Results, names: list[str]) -> int:
    """Print the state of every section of this run, and the path of the page."""
    for name in names:
        faults = len(results.data["sections"][name]["faults"])
        print(f"{name}: {results.state(name)}" + (f", {faults} failed" if faults else ""))
    print(results.folder / "gpu.html")
    return verdict([results.state(name) == DONE for name in names])
