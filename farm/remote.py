"""A ComfyUI server that somebody runs, over its HTTP API."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import aiohttp
from safetensors import SafetensorError

from ..host.server import failure, refusal
from .failures import FarmError
from .graph import Graph

FILE_HASHES = "/sk_portrait/digests"  # nodes/file_hashes.py
POLL = 0.5  # seconds between two looks at what became of a prompt
CANCEL = 5.0  # seconds that a server has to hear that a prompt is no longer wanted
CONNECT = 10.0  # seconds that it may take to answer at all

Progress = Callable[[str, float], Any]  # node, share of it that is done


@dataclass(eq=False)
class Trouble(FarmError):
    """A request to a server failed; the message has its address and the reason. status: of its answer, 0 where there is none."""

    status: int = 0


@contextmanager
def understood(address: str) -> Iterator[None]:
    """Raises Trouble where what a server says has another shape than ComfyUI's."""
    try:
        yield
    except (KeyError, IndexError, TypeError, AttributeError, ValueError, SafetensorError) as error:
        raise Trouble(f"{address} answers with something that ComfyUI does not say: {error!r}") from None


class Remote:
    """One server.

    address:  host:port, or an address with its scheme
    patience: seconds without a word from the prompt in work, or from the server, after which that is given up
    """

    def __init__(self, http: aiohttp.ClientSession, address: str, patience: float):
        self.http, self.address, self.patience = http, address, patience
        self.url = (address if "://" in address else f"http://{address}").rstrip("/")

    async def object_info(self) -> dict[str, Any]:
        """Every node the server has."""
        return await self._json("GET", "/object_info")

    async def file_hashes(self, names: list[str]) -> dict[str, Mapping[str, str | None]]:
        """{"models": {name: SHA-256 or None}, "inputs": {name: SHA-256}} of the files of these names that the server has."""
        found = await self._json("POST", FILE_HASHES, json={"names": names})
        with understood(self.address):
            return {kind: dict(found[kind]) for kind in ("models", "inputs")}

    async def fetch(self, file: Mapping[str, str]) -> bytes:
        """A file by {"filename", "subfolder", "type"}, as the outputs of a graph list it."""
        return await self._call(
            "GET", "/view", params={key: file[key] for key in ("filename", "subfolder", "type")}
        )

    async def put(self, name: str, content: bytes) -> None:
        """Write a file into the server's input folder. name: may have a folder in front, as in "folder/portrait.png"."""
        folder, _, file = name.rpartition("/")
        form = aiohttp.FormData({"type": "input", "subfolder": folder, "overwrite": "true"})
        form.add_field("image", content, filename=file)  # ComfyUI's field for files of all kinds
        await self._call("POST", "/upload/image", data=form)

    async def run(self, graph: Graph, progress: Progress = lambda node, share: None) -> dict[str, dict]:
        """Outputs of a graph: node -> {"images": [...], ...}. Raises Trouble; a prompt that nobody waits for any more is cancelled."""
        listener = _Listener(progress)
        ear = asyncio.create_task(listener.listen(self.http, self.url.replace("http", "ws", 1)))
        try:
            return await self._outputs(graph, listener)
        finally:
            ear.cancel()

    async def _outputs(self, graph: Graph, listener: _Listener) -> dict[str, dict]:
        queued = await self._json("POST", "/prompt", json={"prompt": graph, "client_id": listener.client})
        with understood(self.address):
            prompt = queued["prompt_id"]
        record = None
        try:
            while (record := await self._record(prompt)) is None:
                if time.monotonic() - listener.heard > self.patience:
                    raise Trouble(f"{self.address} has not gone on for {self.patience:.0f} s.")
                await asyncio.sleep(POLL)
        finally:
            if record is None:
                cancelling = asyncio.ensure_future(self._cancel(prompt))
                while (
                    not cancelling.done()
                ):  # whoever waits for this one may be cancelled twice; the server must hear it
                    with suppress(asyncio.CancelledError):
                        await asyncio.wait({cancelling})
        with understood(self.address):
            if record["status"]["status_str"] == "success":
                return record["outputs"]
            raise Trouble(f"{self.address}: {failure(record)[0]}")

    async def _record(self, prompt: str) -> dict | None:
        history = await self._json("GET", f"/history/{prompt}")
        with understood(self.address):
            return history.get(prompt)

    async def _cancel(self, prompt: str) -> None:
        for path, body in (("/queue", {"delete": [prompt]}), ("/interrupt", {"prompt_id": prompt})):
            with suppress(Trouble, asyncio.TimeoutError):
                await asyncio.wait_for(self._call("POST", path, json=body), CANCEL)

    async def _json(self, method: str, path: str, **request) -> Any:
        body = await self._call(method, path, **request)
        try:
            return json.loads(body)
        except ValueError:
            raise Trouble(f"{self.address} answers {path} with something that is no JSON.") from None

    async def _call(self, method: str, path: str, **request) -> bytes:
        patience = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT, sock_read=self.patience)
        try:
            async with self.http.request(method, self.url + path, timeout=patience, **request) as reply:
                body = await reply.read()
        except (aiohttp.ClientError, asyncio.TimeoutError, OSError) as error:
            raise Trouble(f"{self.address} does not answer: {error or 'it is silent'}.") from None
        if reply.status != 200:
            raise Trouble(f"{self.address} answers {path} with {reply.status}: {_said(body)}", reply.status)
        return body


class _Listener:
    """What a server says while it works: when the last word came, and how far it is."""

    def __init__(self, progress: Progress):
        self.client, self.heard, self.progress = uuid.uuid4().hex, time.monotonic(), progress

    async def listen(self, http: aiohttp.ClientSession, url: str) -> None:
        """Until it is cancelled. Whether the server is there at all is seen by those who ask it."""
        while True:
            with suppress(aiohttp.ClientError, asyncio.TimeoutError, OSError, Trouble):
                async with http.ws_connect(f"{url}/ws?clientId={self.client}", max_msg_size=0) as socket:
                    async for message in socket:
                        if message.type == aiohttp.WSMsgType.TEXT:
                            with understood(url):
                                self._hear(json.loads(message.data))
            await asyncio.sleep(POLL)

    def _hear(self, event: dict) -> None:
        data = event.get("data") or {}
        if "prompt_id" in data:  # of the prompt in work; what else is said goes to everybody
            self.heard = time.monotonic()
        if event["type"] == "progress":
            self.progress(data["node"], data["value"] / max(data["max"], 1))


def _said(body: bytes) -> str:
    """ComfyUI's sentences about a graph that it does not take, else the begin of what it answered."""
    try:
        return refusal(json.loads(body))
    except (ValueError, KeyError, TypeError, AttributeError):
        return body[:200].decode(errors="replace").strip() or "nothing"
