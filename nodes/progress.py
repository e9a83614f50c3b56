"""Progress bar and Cancel for loops of our own."""

import comfy.model_management
import comfy.utils


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
