"""Processes frames in threads: OpenCV, PyAV, torch and the face networks
release Python's global lock while they compute.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

WORKERS = min(4, os.cpu_count() or 1)


def ahead(work: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
    """Yield work(item) for every item, in order, computed in threads.

    Items are read one at a time, at most one per thread ahead of the results, so a film needs no more memory
    than a clip. Exceptions of `work` or of the items are propagated, and no further work is started.
    """
    waiting: deque[Future[R]] = deque()
    with ThreadPoolExecutor(WORKERS) as pool:
        try:
            for item in items:
                waiting.append(pool.submit(work, item))
                if len(waiting) > WORKERS:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
