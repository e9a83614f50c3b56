"""Work on frames in threads keeps their order, reads no film as a whole, and ends where something goes wrong."""

import threading
import time

import pytest

from sk_portrait.face_tools.threaded_map import WORKERS, ahead


def test_results_come_in_order_whoever_is_done_first():
    assert list(ahead(lambda k: time.sleep(0.01 * (k % 3 == 0)) or k * k, range(12))) == [
        k * k for k in range(12)
    ]


def test_no_more_is_read_than_there_are_threads():
    read = []
    results = ahead(lambda k: k, (read.append(k) or k for k in range(1000)))
    next(results)
    assert len(read) <= WORKERS + 1
    results.close()
    assert len(read) <= WORKERS + 1


def test_what_fails_goes_through_and_nothing_is_begun_after_it():
    begun, lock = [], threading.Lock()

    def work(k: int) -> int:
        with lock:
            begun.append(k)
        if k == 3:
            raise ValueError("frame 3")
        return k

    with pytest.raises(ValueError, match="frame 3"):
        list(ahead(work, range(1000)))
    assert max(begun) <= 3 + WORKERS
