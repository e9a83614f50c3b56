"""A running ComfyUI server, used over its HTTP API."""

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
POLL = 0.5  # seconds between two queries of a prompt's state
CANCEL = 5.0  # seconds within which a server must accept a cancellation
CONNECT = 10.0  # seconds within which a connection must be established

Progress = Callable[[str, float], Any]  # node, fraction of it that is done


@dataclass(eq=False)
class Trouble(FarmError):
    """A request to a server failed; the message contains its address and the reason.

    status: HTTP status of the answer, 0 = no answer.
    """

    status: int = 0


@contextmanager
def understood(address: str) -> Iterator[None]:
    """Context manager: raise Trouble if a server's answer has another structure than ComfyUI's."""
    try:
        yield
    except (KeyError, IndexError, TypeError, AttributeError, ValueError, SafetensorError) as error:
        raise Trouble(f"{address} answers with something that ComfyUI does not say: {error!r}") from None


class Remote:
    """One server.

    address:  host:port, or an address with its scheme
    patience: seconds without a message about the current prompt, or from the server, after which the request
      fails
    """

    def __init__(self, http: aiohttp.ClientSession, address: str, patience: float):
        self.http, self.address, self.patience = http, address, patience
        self.url = (address if "://" in address else f"http://{address}").rstrip("/")

    async def object_info(self) -> dict[str, Any]:
        """Return the definitions of the server's nodes."""
        return await self._json("GET", "/object_info")

    async def file_hashes(self, names: list[str]) -> dict[str, Mapping[str, str | None]]:
        """Return {"models": {name: SHA-256 or None}, "inputs": {name:
        SHA-256}} for the server's files of these names.
        """
        found = await self._json("POST", FILE_HASHES, json={"names": names})
        with understood(self.address):
            return {kind: dict(found[kind]) for kind in ("models", "inputs")}

    async def fetch(self, file: Mapping[str, str]) -> bytes:
        """Return the content of a file given by {"filename", "subfolder",
        "type"}, as listed in the outputs of a graph.
        """
        return await self._call(
            "GET", "/view", params={key: file[key] for key in ("filename", "subfolder", "type")}
        )

    async def put(self, name: str, content: bytes) -> None:
        """Write a file into the server's input folder.

        name: may include a folder, as in "folder/portrait.png".
        """
        folder, _, file = name.rpartition("/")
        form = aiohttp.FormData({"type": "input", "subfolder": folder, "overwrite": "true"})
        form.add_field("image", content, filename=file)  # ComfyUI's field for files of all kinds
        await self._call("POST", "/upload/image", data=form)

    async def run(self, graph: Graph, progress: Progress = lambda node, share: None) -> dict[str, dict]:
        """Run a graph and return its outputs: node -> {"images": [...], ...}.

        Raises Trouble. If the caller is cancelled, so is the prompt.
        """
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
                ):  # the caller may be cancelled twice; the server must still be notified
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
    """Receives a server's messages: time of the last one, and progress."""

    def __init__(self, progress: Progress):
        self.client, self.heard, self.progress = uuid.uuid4().hex, time.monotonic(), progress

    async def listen(self, http: aiohttp.ClientSession, url: str) -> None:
        """Listen until cancelled.

        Connection errors are ignored here; the requests to the server report them.
        """
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
        if "prompt_id" in data:  # about the current prompt; other messages go to all clients
            self.heard = time.monotonic()
        if event["type"] == "progress":
            self.progress(data["node"], data["value"] / max(data["max"], 1))


def _said(body: bytes) -> str:
    """Return ComfyUI's error messages for a rejected graph, otherwise the beginning of its answer."""
    try:
        return refusal(json.loads(body))
    except (ValueError, KeyError, TypeError, AttributeError):
        return body[:200].decode(errors="replace").strip() or "nothing"
