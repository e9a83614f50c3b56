"""Measurements in processes of their own, because the peak memory of a process never decreases."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from ..host.environment import ROOT


def answer_of(bench: str, *arguments: str, stderr: int | None = None) -> Any:
    """Run a bench in a process of its own, and return the JSON in its last line."""
    command = [sys.executable, str(ROOT / "run.py"), "bench", bench, *arguments]
    ran = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=stderr, text=True)
    return json.loads(ran.stdout.splitlines()[-1])


def peak_memory() -> int:
    """Return the peak bytes of this process."""
    import resource  # not on Windows

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
