"""Samples one clip in parts on running ComfyUI servers."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import NamedTuple, Protocol

from safetensors.torch import load, save
from torch import Tensor

from ..unet.clip.parts import MARGIN, Part, Seam
from . import server_graphs as graphs
from .failures import FarmError
from .files import FileHashes, OtherFile, require_files
from .frames import Asked, within
from .graph import Graph, texts
from .parts import FinishedParts, Sampled, lay_out
from .remote import Remote, Trouble, understood
from .scheduling import SLOW
from .store import Store, as_latent

log = logging.getLogger(__name__)

TRIES = 4  # consecutive failures of a server before it is left out, and of a part before the clip fails
PAUSE = 15.0  # seconds before a server is tried again, as a restarting server needs
POLL = 0.5  # seconds between two checks for work
NO_PACK = "{} has no SK Portrait, or an older one than this: install the same on all servers."


class Refused(Trouble):
    """A server cannot take part, now or later."""


class Bar(Protocol):
    """Progress bar over the finished frames of the clip."""

    def begin(self, frames: int) -> None: ...

    def at(self, frames: float) -> None: ...


class Work(NamedTuple):
    """A clip to sample: its graph and sampler, the files that it depends
    on, and the server that these files are from.
    """

    graph: Graph
    sampler: str
    models: FileHashes
    inputs: FileHashes
    source: Remote
    digest: str


@dataclass
class Assignment:
    """A part that servers are sampling: since when, and the progress of the furthest one."""

    since: float
    share: float = 0.0
    tasks: set[asyncio.Task] = field(default_factory=set)


class Servers:
    """Servers that share the parts of a clip. A part that one server does not finish is given to another.

    pause: seconds before a failed server is tried again
    """

    def __init__(
        self,
        work: Work,
        remotes: Sequence[Remote],
        store: Store,
        bar: Bar,
        asked: Asked = None,
        pause: float = PAUSE,
    ):
        self.work, self.remotes, self.store, self.bar, self.asked, self.pause = (
            work,
            remotes,
            store,
            bar,
            asked,
            pause,
        )
        self.parts: FinishedParts | None = (
            None  # None until a server has reported the clip's length, as are the wanted frames
        )
        self.wanted = range(0)
        self.waiting: deque[Part] = deque()
        self.assignments: dict[Part, Assignment] = {}
        self.losses: Counter = Counter()
        self.took: list[float] = []
        self.whole = asyncio.Event()
        self.reason = ""

    async def sample(self) -> tuple[Tensor, Tensor, Seam]:
        """Sample the clip; returns the same as FinishedParts.stages.

        Raises FarmError if no server is left or none can sample a part, FileError if the disk is full.
        """
        over = asyncio.ensure_future(self.whole.wait())
        serving = [asyncio.ensure_future(self._serve(remote)) for remote in self.remotes]
        ended: set[asyncio.Future] = set()
        try:
            while not self.whole.is_set() and len(ended) < len(serving):
                await asyncio.wait({over, *serving} - ended, return_when=asyncio.FIRST_COMPLETED)
                ended = {task for task in serving if task.done()}
                for task in ended:
                    task.result()
        finally:
            for task in (over, *serving):
                task.cancel()
            await asyncio.gather(over, *serving, return_exceptions=True)
        if not self.whole.is_set():
            raise Trouble(f"No server is left: {self.reason}")
        return self.parts.stages(self.wanted)

    async def _serve(self, remote: Remote) -> None:
        """Let one server sample parts until no work is left or it has failed too often."""
        tries = 0
        while tries < TRIES:
            try:
                key_frames = await self._welcome(remote)
                while (part := await self._next()) is not None:
                    await self._shared(remote, part, key_frames)
                    tries = 0
                return
            except Refused as error:
                self.reason = str(error)
                break
            except Trouble as error:
                self.reason, tries = str(error), tries + 1
                log.warning("%s", error)
                if tries < TRIES:
                    await asyncio.sleep(self.pause)
        log.warning("%s is left out: %s", remote.address, self.reason)

    # Start of a server ----------------------------------------------------------------------------------------

    async def _welcome(self, remote: Remote) -> _KeyFrames:
        """Prepare a server. Raises Refused if it has other files, or reports another length of the clip."""
        there = await file_hashes(remote, self.work.graph)
        try:
            require_files(self.work.models, there["models"], remote.address)
        except OtherFile as error:
            raise Refused(str(error)) from None
        await self._bring_inputs(remote, there["inputs"])
        outputs = await remote.run(graphs.length(self.work.graph, self.work.sampler))
        with understood(remote.address):
            clip = int(outputs[graphs.PART]["clip_frames"][0])
        self._settle(clip, remote.address)
        return _KeyFrames(remote, f"{graphs.FOLDER}/{self.work.digest}.key_frames.latent")

    async def _bring_inputs(self, remote: Remote, there: FileHashes) -> None:
        for name, digest in self.work.inputs.items():
            if name in there and there[name] != digest:
                raise Refused(
                    f"On {remote.address} the input file {name} is another one than on {self.work.source.address}."
                )
            if name not in there:
                folder, _, file = name.rpartition("/")
                await remote.put(
                    name,
                    await self.work.source.fetch({"filename": file, "subfolder": folder, "type": "input"}),
                )

    def _settle(self, clip: int, address: str) -> None:
        """Set the clip's length as reported by the first server; other servers must agree."""
        if self.parts is None:
            self.wanted, self.parts = within(self.asked, clip), FinishedParts(self.store, clip)
            missing = self.parts.missing(self.wanted)
            self.waiting.extend(lay_out(clip, missing, len(self.remotes)))
            self.bar.begin(len(self.wanted))
            self._show()
            if not missing:
                self.whole.set()
        elif clip != self.parts.clip:
            raise Refused(f"On {address} the clip has {clip} frames and on the others {self.parts.clip}.")

    # Parts ----------------------------------------------------------------------------------------------------

    async def _next(self) -> Part | None:
        """Return a part that no server has, otherwise one with which
        another server is slow; None when all work is done.
        """
        while self.waiting or self.assignments:
            if self.waiting:
                return self.waiting.popleft()
            limit = SLOW * median(self.took) if self.took else float("inf")
            late = (
                part
                for part, assignment in self.assignments.items()
                if len(assignment.tasks) == 1 and time.monotonic() - assignment.since > limit
            )
            if (part := next(late, None)) is not None:
                return part
            await asyncio.sleep(POLL)
        return None

    async def _shared(self, remote: Remote, part: Part, key_frames: _KeyFrames) -> None:
        """Sample a part, unless another server is faster.

        Raises Trouble if this server fails, and the part is queued
        again; FarmError if the part has failed too often.
        """
        assignment = self.assignments.setdefault(part, Assignment(time.monotonic()))
        task = asyncio.ensure_future(self._sampled(remote, part, key_frames, assignment))
        assignment.tasks.add(task)
        try:
            await asyncio.wait({task})
            if not task.cancelled():
                self._finish(part, assignment, task.result())
        except Trouble as error:
            self.losses[part] += 1
            if self.losses[part] >= TRIES:
                raise FarmError(f"The same part of the clip has failed {TRIES} times: {error}") from None
            raise
        finally:
            assignment.tasks.discard(task)
            if not task.done():
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
            if part in self.assignments and not assignment.tasks:
                del self.assignments[part]
                self.waiting.appendleft(part)
            self._show()

    async def _sampled(
        self, remote: Remote, part: Part, key_frames: _KeyFrames, assignment: Assignment
    ) -> Sampled:
        def progress(node: str, share: float) -> None:
            if node == self.work.sampler:
                assignment.share = max(assignment.share, share)
                self._show()

        seen = await key_frames.put(self.parts.key_frames())
        outputs = await remote.run(
            graphs.part(self.work.graph, self.work.sampler, part, MARGIN, seen), progress
        )
        with understood(remote.address):
            files = [outputs[end]["latents"][0] for end in (graphs.VIDEO, graphs.FIRST)]
            sampled = Sampled(*[load(await remote.fetch(file))["latent_tensor"].float() for file in files])
        if len(sampled.video) != len(part.frames) or not all(latents.isfinite().all() for latents in sampled):
            raise Trouble(
                f"{remote.address} has sent {len(sampled.video)} frames for {len(part.frames)}, or numbers that are none."
            )
        return sampled

    def _finish(self, part: Part, assignment: Assignment, sampled: Sampled) -> None:
        self.took.append(time.monotonic() - assignment.since)
        self.parts.add(part, sampled)
        self.assignments.pop(part, None)
        for task in assignment.tasks:  # of servers that were slower
            task.cancel()
        if not self.waiting and not self.assignments:
            self.whole.set()

    def _show(self) -> None:
        left = sum(map(len, self.parts.missing(self.wanted)))
        self.bar.at(
            len(self.wanted)
            - left
            + sum(len(part.keeps) * assignment.share for part, assignment in self.assignments.items())
        )


class _KeyFrames:
    """The clip's key frames in a server's input folder."""

    def __init__(self, remote: Remote, name: str):
        self.remote, self.name, self.there = remote, name, False

    async def put(self, latents: Tensor | None) -> str | None:
        """Write the key frames to the server, once, and return the file name; None if there are none yet."""
        if latents is not None and not self.there:
            await self.remote.put(self.name, save(as_latent(latents)))
            self.there = True
        return self.name if self.there else None


async def file_hashes(remote: Remote, graph: Graph) -> Mapping[str, FileHashes]:
    """Return a server's hashes of the graph's files.

    Raises Refused if it has no SK Portrait with this route.
    """
    try:
        return await remote.file_hashes(sorted(texts(graph)))
    except Trouble as error:
        if error.status in (404, 405):
            raise Refused(NO_PACK.format(remote.address)) from None
        raise


async def source_of(remotes: Iterable[Remote], graph: Graph) -> tuple[Remote, Mapping[str, FileHashes]]:
    """Return the first server that has the most files named in a graph, and their hashes.

    Raises Trouble if none answers.
    """
    found, troubles = [], []
    for remote in remotes:
        try:
            files = await file_hashes(remote, graph)
            found.append(
                (sum(digest is None for digest in files["models"].values()), len(found), remote, files)
            )
        except Trouble as error:
            troubles.append(str(error))
    if not found:
        raise Trouble("\n".join(troubles))
    _, _, remote, files = min(found)
    return remote, files
