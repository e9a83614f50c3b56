"""The workers on Ray: starts them, sends them work, watches and replaces them."""

from __future__ import annotations

import logging
import os
import socket
import time
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from ..host.environment import ROOT
from .failures import FarmError
from .scheduling import PATIENCE, SLOW
from .wire import packed
from .worker import Task

log = logging.getLogger(__name__)

TRIES = 4  # attempts of one request, or of starting one worker
HEAD = 60.0  # seconds that the head of a cluster may take to start
START = 600.0  # seconds that a worker may take to start, including reading the models
TOKEN = Path.home() / ".ray" / "auth_token"  # Ray's own location
ABSENT = "The farm runs on Ray, which is not installed here: pip install ray. ComfyUI servers that are running do without it: --servers."


class Place(NamedTuple):
    """Location of ComfyUI on the workers.

    None: each worker finds its own, and uses the copy of this pack that Ray sent.
    """

    comfy: Path | None = None
    base: Path | None = None


class Request(NamedTuple):
    """A call of a worker's method.

    key: equal in every step, so that the request goes to the worker that computed it before.
    """

    method: str
    arguments: tuple
    key: Any


@dataclass(frozen=True)
class Assignment:
    """A worker's current request and its start time. request: None = the worker is starting."""

    worker: Any
    since: float
    round: int = 0
    request: int | None = None


def begin(address: str | None, workers: int | None) -> Any:
    """Start Ray on this machine (loopback only, no dashboard), or join
    the cluster at `address`; return the module ray.

    Raises FarmError without Ray, or without that cluster.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if address and TOKEN.is_file():
        os.environ.setdefault("RAY_AUTH_MODE", "token")  # as `ray start` does if there is one
    if not address:
        os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = (
            "0"  # Ray's own switch for using only the loopback interface, on every system
        )
    try:
        import ray
    except ImportError:
        raise FarmError(ABSENT) from None
    if address and address != "auto":
        await_head(address)
    quiet = {"logging_level": logging.ERROR, "log_to_driver": False}
    if address:
        brought = {"working_dir": str(ROOT), "excludes": ["output", ".git", "tests", "web", "workflows"]}
        try:
            ray.init(address=address, runtime_env=brought, **quiet)
        except (RuntimeError, OSError) as error:  # of another version, for example
            raise FarmError(
                f"The Ray cluster at {address} refused the connection: {' '.join(str(error).split())}. Check that Ray "
                "and Python have the same versions there and here."
            ) from None
    else:
        ray.init(num_cpus=workers, include_dashboard=False, **quiet)
    return ray


def await_head(address: str) -> None:
    """Wait until a cluster answers at ray://HOST:PORT or HOST:PORT.

    Raises FarmError if none does; Ray itself would try for minutes.
    """
    host, _, port = address.split("://")[-1].rpartition(":")
    if not host or not port.isdigit():
        raise FarmError(f"{address!r} is no address of a cluster: ray://HEAD:10001, HEAD:6379 or auto.")
    end, told = time.monotonic() + HEAD, False
    while True:
        try:
            socket.create_connection((host, int(port)), timeout=5).close()
            return
        except OSError as error:
            if time.monotonic() > end:
                raise FarmError(
                    f"No cluster answers at {address} ({error}): start it there with ray start --head."
                ) from None
        if not told:
            print(f"Waiting for the cluster at {address}", flush=True)
        told = True
        time.sleep(1.0)


def _bootstrap():
    """Return a worker's actor class.

    It is made in a function, so that Ray sends it by value: a worker has no package until it runs.
    """

    class Bootstrap:
        def open(self, root: str | None, comfy: str | None, base: str | None) -> None:
            import importlib.util
            import os
            from pathlib import Path

            self.refusal = None
            try:
                spec = importlib.util.spec_from_file_location(
                    "sk_portrait_run", os.path.join(root or os.getcwd(), "run.py")
                )
                self.run = importlib.util.module_from_spec(spec)
                spec.loader.exec_module(self.run)
                comfy = Path(
                    comfy
                    or self.run.tool("host.installation").find()
                    or "absent: set COMFYUI_PATH where Ray is started"
                )
                self.session = self.run.tool("farm.session").Session(comfy, Path(base or comfy))
            except (Exception, SystemExit) as error:
                self.refusal = error

        def start(self, sent: list) -> None:
            import ray

            if self.refusal:
                raise self.refusal
            task, given = ray.get(sent)
            unpacked = self.run.tool("farm.wire").unpacked
            given = {key: unpacked(value) for key, value in given.items()}
            self.worker = self.run.tool("farm.worker").Worker(self.session, task, given)

        def call(self, method: str, *arguments):
            return getattr(self.worker, method)(*arguments)

    return Bootstrap


class PendingWorkers:
    """Workers that start ComfyUI, while the driver starts its own and encodes.

    count: largest number; None: one per GPU of the cluster, or one per machine without GPUs
    """

    def __init__(self, ray, place: Place, count: int | None = None):
        gpus = int(ray.cluster_resources().get("GPU", 0))
        count = count or gpus or len(ray.nodes())
        here = place.comfy is not None
        threads = (
            {"OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 1) // count))} if here and not gpus else {}
        )
        options = {
            "num_cpus": 1,
            "num_gpus": 1 if gpus else 0,
            "max_restarts": -1,
            "runtime_env": {"env_vars": threads},
        }
        actor = ray.remote(_bootstrap()).options(**options)
        self.ray, self.place = (
            ray,
            (str(ROOT) if here else None, *(None if path is None else str(path) for path in place)),
        )
        self.workers = [actor.remote() for _ in range(count)]
        for worker in self.workers:
            worker.open.remote(*self.place)

    def pool(self, task: Task, given: Mapping[str, Any], patience: float = PATIENCE) -> WorkerPool:
        """Return the workers as a pool for one clip."""
        sent = [self.ray.put(task), self.ray.put({key: packed(value) for key, value in given.items()})]
        return WorkerPool(self.ray, self.workers, self.place, sent, patience)


class WorkerPool:
    """Workers that answer requests.

    workers:  Ray actors that have been told to `open`, with the methods `start` and `call`; Ray may restart
      them at any time
    place:    what a restarted worker opens
    sent:     arguments for starting a worker, as a list: Ray would resolve the references of bare arguments
      too early
    patience: seconds that an answer may take; then the worker is ended and the request sent to another one
    """

    def __init__(self, ray, workers: Sequence[Any], place: Sequence[str | None], sent: list, patience: float):
        self.ray, self.workers, self.place, self.sent, self.patience = (
            ray,
            list(workers),
            place,
            sent,
            patience,
        )
        self.busy: dict[Any, Assignment] = {}
        self.homes: dict[Any, Any] = {}  # key of a request -> the worker that answered it last
        self.last: Counter = Counter()  # worker -> duration of its last answer, seconds
        self.losses: Counter = Counter()  # by worker, and by request of this round
        self.round = 0
        for worker in self.workers:
            self._await(worker)

    def identities(self) -> list[tuple[str, int]]:
        """(machine, process) of every worker, once all have started."""
        self.ray.wait(list(self.busy), num_returns=len(self.busy), timeout=START)
        return self.ray.get([worker.call.remote("identity") for worker in self.workers])

    def answers(self, requests: Sequence[Request]) -> Iterator[tuple[int, Any]]:
        """Yield (number of the request, a worker's result) as they arrive.

        Raises FarmError if a worker's node fails or no worker is left.
        """
        self.round += 1
        self.losses.clear()
        waiting, missing, took = deque(range(len(requests))), set(range(len(requests))), []
        while missing:
            self._hand_out(requests, waiting, missing, took)
            for assignment, answer in self._finished(waiting, missing):
                self.last[assignment.worker] = time.monotonic() - assignment.since
                took.append(self.last[assignment.worker])
                self.homes[requests[assignment.request].key] = assignment.worker
                missing.discard(assignment.request)
                yield assignment.request, answer
            self._watch()

    def _hand_out(self, requests, waiting: deque, missing: set, took: list[float]) -> None:
        busy = {assignment.worker for assignment in self.busy.values()}
        for worker in sorted(self.workers, key=lambda worker: self.last[worker]):  # fastest first
            if worker in busy or (number := self._next_for(worker, requests, waiting, missing, took)) is None:
                continue
            request = requests[number]
            reference = worker.call.remote(request.method, *request.arguments)
            self.busy[reference] = Assignment(worker, time.monotonic(), self.round, number)

    def _next_for(self, worker, requests, waiting: deque, missing: set, took: list[float]) -> int | None:
        """Return the next request for this worker: one that it computed in the previous
        step, otherwise one without a worker, otherwise another worker's; if none is
        waiting, one with which another worker is slow.
        """
        if waiting:
            known = (n for n in waiting if self.homes.get(requests[n].key) == worker)
            new = (n for n in waiting if requests[n].key not in self.homes)
            number = next(chain(known, new, [waiting[-1]]))
            waiting.remove(number)
            return number
        asked = [
            assignment
            for assignment in self.busy.values()
            if assignment.round == self.round and assignment.request in missing
        ]
        copies = Counter(assignment.request for assignment in asked)
        limit = SLOW * median(took) if took else float("inf")
        return next(
            (e.request for e in asked if copies[e.request] == 1 and time.monotonic() - e.since > limit), None
        )

    def _finished(self, waiting: deque, missing: set) -> Iterator[tuple[Assignment, Any]]:
        """Yield the answers that this round still needs; lost requests wait again."""
        for reference in self.ray.wait(list(self.busy), num_returns=1, timeout=1.0)[0]:
            assignment = self.busy.pop(reference)
            current = assignment.round == self.round and assignment.request in missing
            try:
                answer = self.ray.get(reference)
            except self.ray.exceptions.RayActorError as error:
                self._lost(assignment, error)
                if current and all(
                    other.request != assignment.request
                    for other in self.busy.values()
                    if other.round == self.round
                ):
                    waiting.appendleft(assignment.request)
                continue
            except self.ray.exceptions.RayTaskError as error:
                if assignment.request is not None:
                    raise FarmError(reason(error)) from None
                self._drop(assignment.worker, reason(error))
                continue
            if current:
                yield assignment, answer

    def _await(self, worker: Any) -> None:
        """Mark a starting worker as busy until it answers."""
        self.busy[worker.start.remote(self.sent)] = Assignment(worker, time.monotonic())

    def _lost(self, assignment: Assignment, error: Exception) -> None:
        """Record a lost worker, which Ray starts again."""
        starting = assignment.request is None
        self.losses[assignment.worker if starting else assignment.request] += 1
        if not starting:
            log.warning("A worker was lost; its tasks go to another one.")
            if self.losses[assignment.request] >= TRIES:
                raise FarmError(
                    f"The same windows were lost with their worker {TRIES} times: {reason(error)}"
                )
        elif self.losses[assignment.worker] >= TRIES:
            self._drop(assignment.worker, reason(error))
            return
        assignment.worker.open.remote(*self.place)
        self._await(assignment.worker)

    def _drop(self, worker: Any, why: str) -> None:
        self.workers.remove(worker)
        if not self.workers:
            raise FarmError(f"No worker is left: {why}")
        log.warning("A worker is left out, %d go on: %s", len(self.workers), why)

    def _watch(self) -> None:
        """End workers that do not answer, and leave out those that do not start."""
        for reference, assignment in list(self.busy.items()):
            silent = time.monotonic() - assignment.since
            if assignment.request is None and silent > START:
                del self.busy[reference]
                self._drop(assignment.worker, f"it did not start within {START:.0f} s.")
            elif assignment.request is not None and silent > self.patience:
                log.warning("A worker has not answered for %.0f s; it is ended.", silent)
                self.busy[reference] = Assignment(
                    assignment.worker, time.monotonic(), assignment.round, assignment.request
                )
                self.ray.kill(assignment.worker, no_restart=False)


def reason(error: Exception) -> str:
    """Return the message of an error that happened on a worker."""
    return str(getattr(error, "cause", None) or error).strip().splitlines()[-1].strip()
