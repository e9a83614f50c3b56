"""Frames in threads: OpenCV, PyAV, torch and the face networks let go of Python's lock while they compute."""

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
    """work(item) of every item, in order. Items are taken one after the other, and no more of them than there are threads before a
    result is asked for: a film needs no more memory than a clip. What `work` or the items raise goes through, and nothing is begun
    after it."""
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
