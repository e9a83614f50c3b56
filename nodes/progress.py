"""Progress bar and Cancel for loops of our own."""

from collections.abc import Callable, Iterable, Iterator

import comfy.model_management
import comfy.utils
import torch

from ..face_tools import threaded_map as threads
from ..face_tools.threaded_map import R, T


def stop_at_cancel() -> None:
    """Raise ComfyUI's exception if the user pressed Cancel."""
    comfy.model_management.throw_exception_if_processing_interrupted()


def ticker(total: int):
    """Return a callback tick(done) that moves ComfyUI's progress bar.

    It raises if the user pressed Cancel.
    """
    bar = comfy.utils.ProgressBar(total)

    def tick(done: int) -> None:
        stop_at_cancel()
        bar.update_absolute(done, max(total, done))

    return tick


def ahead(work: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
    """Run `work` on the items in the threads of `face_tools.threaded_map`, in order.

    Each thread uses ComfyUI's inference mode, which is needed to write into an IMAGE.
    """
    return threads.ahead(torch.inference_mode()(work), items)


def for_each(count: int, work: Callable[[int], None]) -> None:
    """Call work(k) for k in 0..count-1 in threads, with a progress bar and Cancel."""
    tick = ticker(count)
    for done, _ in enumerate(ahead(work, range(count)), 1):
        tick(done)
