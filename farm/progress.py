"""The output of a command: one log, and one progress bar."""

from __future__ import annotations

import logging
from pathlib import Path

from tqdm import tqdm

log = logging.getLogger(__package__)


def noted(path: Path) -> None:
    """Write the farm's messages to the terminal and to a file."""
    log.handlers = [logging.StreamHandler(), logging.FileHandler(path)]
    for handler in log.handlers:
        handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))


class Steps:
    """Progress bar over the steps of all runs of the sampler."""

    def __init__(self, steps: int):
        layout = "{desc}: {percentage:3.0f}%|{bar}| {elapsed}<{remaining}{postfix}"
        self.bar, self.done = tqdm(total=steps, desc="Sampling", bar_format=layout), 0

    def __enter__(self) -> Steps:
        return self

    def __exit__(self, *_) -> None:
        self.bar.close()

    def step(self, *_) -> None:
        """Callback for ComfyUI's samplers."""
        self.tick()

    def tick(self, steps: int = 1) -> None:
        self.done += steps
        self._show(self.done)

    def part(self, done: int, of: int) -> None:
        """Show that `done` of `of` windows of the current step are finished."""
        self.bar.set_postfix_str(f"window {done} of {of}", refresh=False)
        self._show(min(self.done + done / of, self.bar.total))

    def _show(self, position: float) -> None:
        self.bar.n = max(self.bar.n, position)  # some samplers call the network twice per step
        self.bar.refresh()


class Frames:
    """Progress bar over the frames of a clip, which starts before the clip's length is known."""

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
        """Show the number of finished frames. It may fall when a server is lost."""
        self.bar.n = frames
        self.bar.refresh()
