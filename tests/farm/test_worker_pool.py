"""Workers that are lost, hang, are slow or do not start: the answers are the same. Real Ray, workers that do next to nothing."""

import os
import signal
import socket
import sys
import threading
import time

import pytest

from sk_portrait.farm import worker_pool
from sk_portrait.farm.worker_pool import FarmError, Request, WorkerPool


def faulty():
    """A class of workers that double numbers; the first one that is asked has a fault, the others wait for that. Made in a function: a
    worker has no tests to import it from."""

    class Faulty:
        def open(self):
            """Nothing to open."""

        def start(self, sent):
            fault, folder = sent
            self.fault, self.happened = fault, os.path.join(folder, "happened")
            if fault == "refuses":
                raise ValueError("On the worker here the model sd15.safetensors is another file.")

        def call(self, method, number):
            if self.fault and self._is_first():
                if self.fault == "dies":
                    os.kill(os.getpid(), signal.SIGKILL)
                time.sleep(1000 if self.fault == "hangs" else 4)
            while self.fault and not os.path.exists(self.happened):
                time.sleep(0.05)
            return 2 * number

        def _is_first(self):
            try:
                open(self.happened, "x").close()
            except FileExistsError:
                return False
            return True

    return Faulty


@pytest.fixture
def workers(ray):
    """Makes workers, and ends them."""
    made = []

    def make(count: int) -> list:
        made.extend(ray.remote(faulty()).options(num_cpus=1, max_restarts=-1).remote() for _ in range(count))
        return made

    yield make
    for worker in made:
        ray.kill(worker)


@pytest.mark.parametrize("fault, count", [("dies", 1), ("hangs", 1), ("dies", 2), ("hangs", 2), ("slow", 2)])
def test_answers_are_the_same_whatever_happens_to_a_worker(ray, workers, tmp_path, fault, count):
    made = WorkerPool(ray, workers(count), (), [fault, str(tmp_path)], patience=2.0)
    for _ in range(2):  # steps
        answers = dict(made.answers([Request("double", (number,), number) for number in range(12)]))
        assert answers == {number: 2 * number for number in range(12)}
    assert (tmp_path / "happened").exists()


def test_half_of_the_workers_gone_for_good(ray, workers, tmp_path):
    made = WorkerPool(ray, workers(4), (), [None, str(tmp_path)], patience=60.0)
    requests = [Request("double", (number,), number) for number in range(40)]
    answers = made.answers(requests)
    first = dict([next(answers)])
    gone, rest = made.workers[:2], made.workers[2:]
    for worker in gone:
        ray.kill(worker)  # never started again
    assert first | dict(answers) == {number: 2 * number for number in range(40)}
    assert (
        dict(made.answers(requests)) == {number: 2 * number for number in range(40)} and made.workers == rest
    )


def test_a_worker_that_cannot_start_is_named(ray, workers, tmp_path):
    made = WorkerPool(ray, workers(2), (), ["refuses", str(tmp_path)], patience=60.0)
    with pytest.raises(FarmError, match="model sd15.safetensors is another file"):
        dict(made.answers([Request("double", (1,), 1)]))


def test_an_address_without_a_cluster_is_said(monkeypatch):
    pytest.importorskip("ray")
    monkeypatch.setattr(worker_pool, "HEAD", 0.0)
    with pytest.raises(FarmError, match="No cluster answers at ray://127.0.0.1:9 "):
        worker_pool.begin("ray://127.0.0.1:9", None)
    with pytest.raises(FarmError, match="'head' is no address of a cluster"):
        worker_pool.begin("head", None)


def test_a_cluster_that_comes_up_is_awaited():
    with socket.create_server(("127.0.0.1", 0)) as free:
        place = free.getsockname()
    came = []
    threading.Timer(0.5, lambda: came.append(socket.create_server(place))).start()
    worker_pool.await_head(f"{place[0]}:{place[1]}")
    came[0].close()


def test_without_ray_one_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(FarmError, match="pip install ray"):
        worker_pool.begin(None, 1)
