"""Progress bar and Cancel for loops of our own."""

from collections.abc import Callable

import comfy.model_management
import comfy.utils

from ..face_tools.ahead import ahead


def stop_at_cancel() -> None:
    """Raises where the user pressed Cancel."""
    comfy.model_management.throw_exception_if_processing_interrupted()


def ticker(total: int):
    """A callback tick(done) that moves the host's progress bar and raises where the user pressed Cancel."""
    bar = comfy.utils.ProgressBar(total)

    def tick(done: int) -> None:
        stop_at_cancel()
        bar.update_absolute(done, max(total, done))

    return tick


def for_each(count: int, work: Callable[[int], None]) -> None:
    """work(k) for k in 0..count-1, several at a time, with a progress bar and Cancel."""
    tick = ticker(count)
    for done, _ in enumerate(ahead(work, range(count)), 1):
        tick(done)
