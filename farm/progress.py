"""What a command shows: one log, and one progress bar."""

from __future__ import annotations

import logging
from pathlib import Path

from tqdm import tqdm

log = logging.getLogger(__package__)


def noted(path: Path) -> None:
    """One log: what the farm says, on the terminal and in a file."""
    log.handlers = [logging.StreamHandler(), logging.FileHandler(path)]
    for handler in log.handlers:
        handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))


class Steps:
    """Over the steps of all runs of the sampler."""

    def __init__(self, steps: int):
        layout = "{desc}: {percentage:3.0f}%|{bar}| {elapsed}<{remaining}{postfix}"
        self.bar, self.done = tqdm(total=steps, desc="Sampling", bar_format=layout), 0

    def __enter__(self) -> Steps:
        return self

    def __exit__(self, *_) -> None:
        self.bar.close()

    def step(self, *_) -> None:
        """ComfyUI's sampler callback."""
        self.tick()

    def tick(self, steps: int = 1) -> None:
        self.done += steps
        self._show(self.done)

    def part(self, done: int, of: int) -> None:
        """So many windows of the step in work are finished."""
        self.bar.set_postfix_str(f"window {done} of {of}", refresh=False)
        self._show(min(self.done + done / of, self.bar.total))

    def _show(self, position: float) -> None:
        self.bar.n = max(self.bar.n, position)  # some samplers call the network twice a step
        self.bar.refresh()


class Frames:
    """Over the frames of a clip whose length is not known from the start."""

    def __init__(self):
        self.bar: tqdm | None = None

    def __enter__(self) -> Frames:
        return self

    def __exit__(self, *_) -> None:
        if self.bar:
            self.bar.close()

    def begin(self, frames: int) -> None:
        self.bar = tqdm(
            total=frames,
            desc="Sampling",
            bar_format="{desc}: {percentage:3.0f}%|{bar}| {elapsed}<{remaining}",
        )

    def at(self, frames: float) -> None:
        """So many are finished; fewer than before where a server was lost."""
        self.bar.n = frames
        self.bar.refresh()
