"""A real ComfyUI server with this pack, for the demo, the tests and the pictures.

It is always stopped at the end.

It writes only below its base directory; the ComfyUI folder is not changed.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import struct
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ..errors import SKPortraitError
from . import workflow
from .environment import CACHE, ROOT

FEATURES = {"type": "feature_flags", "data": {"supports_preview_metadata": True}}  # as the front end sends
PREVIEW = 4  # ComfyUI's PREVIEW_IMAGE_WITH_METADATA
FOLDERS = ("custom_nodes", "input", "output", "temp", "user", "models")


@dataclass(eq=False)
class RunError(SKPortraitError, RuntimeError):
    """A graph was rejected, failed or was interrupted. details: ComfyUI's own record of it."""

    details: dict


@dataclass(eq=False)
class ServerError(SKPortraitError, RuntimeError):
    """ComfyUI did not start, ended, or took too long."""

    log: Path


def link_pack(base: Path) -> Path:
    """Create ComfyUI's folders under `base`, with this checkout in custom_nodes/sk-portrait."""
    for name in FOLDERS:
        (base / name).mkdir(parents=True, exist_ok=True)
    pack = base / "custom_nodes" / "sk-portrait"
    if pack.exists():
        return pack
    if os.name == "nt":  # A junction needs no administrator's rights.
        subprocess.run(["cmd", "/c", "mklink", "/J", str(pack), str(ROOT)], check=True, capture_output=True)
    else:
        pack.symlink_to(ROOT, target_is_directory=True)
    return pack


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def command_line(
    comfy: Path, base: Path, port: int, *options: str, python: Path | str = sys.executable
) -> list[str]:
    """Return the command that starts ComfyUI: on the CPU without a CUDA device, with its database in memory
    and without network nodes.

    options may select the attention implementation.
    """
    import torch

    attention = [] if any("attention" in option for option in options) else ["--use-pytorch-cross-attention"]
    device = [] if torch.cuda.is_available() else ["--cpu", *attention]
    quiet = ["--disable-auto-launch", "--disable-api-nodes", "--database-url", "sqlite:///:memory:"]
    place = ["--listen", "127.0.0.1", "--port", str(port), "--base-directory", str(base)]
    return [str(python), str(comfy / "main.py"), *place, *quiet, *device, *options]


def surroundings() -> dict[str, str]:
    """Return the server's environment variables: compiled files go
    to the cache, and the Hub client stays offline.
    """
    return os.environ | {
        "PYTHONPYCACHEPREFIX": str(CACHE / "pycache"),
        "PYTHONUNBUFFERED": "1",
        "HF_HUB_OFFLINE": "1",
    }


class Server:
    """Context manager: `with Server(comfy, base) as server:` runs ComfyUI
    on a free loopback port until the block ends.

    server.run(graph, progress) queues a graph in API format and returns its outputs: {node id: {"images":
    [...], ...}}.
    python: interpreter of the server, by default this one
    """

    def __init__(
        self,
        comfy: Path,
        base: Path,
        *options: str,
        patience: float = 300,
        python: Path | str = sys.executable,
    ):
        self.comfy, self.base, self.options, self.patience, self.python = (
            Path(comfy),
            Path(base),
            options,
            patience,
            python,
        )
        self.log = self.base / "server.log"
        self.client_id = uuid.uuid4().hex

    def __enter__(self) -> Server:
        link_pack(self.base)
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        with open(self.log, "ab") as log:
            command = command_line(self.comfy, self.base, port, *self.options, python=self.python)
            streams = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": log}
            self.process = subprocess.Popen(command, cwd=self.base, env=surroundings(), **streams)
        try:
            self._await_start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_) -> None:
        self.stop()

    def _await_start(self) -> None:
        end = time.monotonic() + self.patience
        while time.monotonic() < end and self.process.poll() is None:
            try:
                self.get("/system_stats")
                return
            except (urllib.error.URLError, OSError):
                time.sleep(0.2)
        tail = "\n".join(self.log.read_text(errors="replace").splitlines()[-30:])
        raise ServerError(
            f"ComfyUI did not answer within {self.patience:.0f} s; the end of {self.log}:\n{tail}", self.log
        )

    def stop(self) -> None:
        """Stop the server that this object started, and no other."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    # HTTP -----------------------------------------------------------------------------------------------------

    def _open(self, path: str, data: dict | None = None) -> bytes:
        body = None if data is None else json.dumps(data).encode()
        request = urllib.request.Request(self.url + path, body, {"Content-Type": "application/json"})
        # No proxy: the address is local.
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=60) as reply:
            return reply.read()

    def get(self, path: str):
        return json.loads(self._open(path))

    def object_info(self) -> dict:
        """Return every node that ComfyUI knows: {class name: {"input": ..., "output": ...,
        "output_tooltips": ...}}.
        """
        return self.get("/object_info")

    @cached_property
    def definitions(self) -> dict:
        """`object_info` as of the first graph: inputs and outputs do not change, but lists of files may."""
        return self.object_info()

    def queue(self, graph: dict) -> str:
        """Queue a graph in API format; return its id.

        Raises WorkflowError for a graph that lacks a required input, RunError with ComfyUI's node_errors if
        ComfyUI rejects the graph.
        """
        workflow.require_complete(graph, self.definitions)
        try:
            return json.loads(self._open("/prompt", {"prompt": graph, "client_id": self.client_id}))[
                "prompt_id"
            ]
        except urllib.error.HTTPError as error:
            details = json.loads(error.read())
            raise RunError(refusal(details), details) from None

    def history(self, prompt_id: str) -> dict | None:
        """Return ComfyUI's record of a finished graph, or None while it waits or runs."""
        return self.get(f"/history/{prompt_id}").get(prompt_id)

    def wait(self, prompt_id: str, timeout: float = 3600) -> dict:
        """Wait for a queued graph and return its outputs. Raises RunError if it failed or was interrupted."""
        end = time.monotonic() + timeout
        while (record := self.history(prompt_id)) is None:
            if self.process.poll() is not None:
                raise ServerError(
                    f"ComfyUI ended (code {self.process.returncode}) while a graph ran; see {self.log}.",
                    self.log,
                )
            if time.monotonic() > end:
                raise ServerError(
                    f"The graph had not finished after {timeout:.0f} s; see {self.log}.", self.log
                )
            time.sleep(0.1)
        if record["status"]["status_str"] != "success":
            raise RunError(*failure(record))
        return record["outputs"]

    def interrupt(self) -> None:
        """Send the request of the front end's Cancel button."""
        self._open("/interrupt", {})

    def view(self, file: dict) -> bytes:
        """Return the content of an output file, as listed in a graph's outputs."""
        return self._open(
            "/view?" + urllib.parse.urlencode({key: file[key] for key in ("filename", "subfolder", "type")})
        )

    def path(self, file: dict) -> Path:
        """Return the local path of an output file."""
        return self.base / file["type"] / file["subfolder"] / file["filename"]

    # Progress -------------------------------------------------------------------------------------------------

    def run(
        self,
        graph: dict,
        progress: Callable[[str, int, int], None] | None = None,
        timeout: float = 3600,
        preview: Callable[[dict, bytes], None] | None = None,
    ) -> dict:
        """Run a graph and return its outputs.

        progress(node id, value, maximum) is called as ComfyUI reports it.

        preview: called with the metadata (node_id, display_node_id, ...) and the image file of each preview
        """
        if progress is None and preview is None:
            return self.wait(self.queue(graph), timeout)
        prompt_id = asyncio.run(self._follow(graph, progress or ignored, timeout, preview or ignored))
        return self.wait(prompt_id, timeout)

    async def _follow(
        self,
        graph: dict,
        progress: Callable[[str, int, int], None],
        timeout: float,
        preview: Callable[[dict, bytes], None],
    ) -> str:
        import aiohttp

        address = self.url.replace("http", "ws", 1) + f"/ws?clientId={self.client_id}"
        async with aiohttp.ClientSession() as session, session.ws_connect(address, max_msg_size=0) as socket_:
            await socket_.send_json(FEATURES)
            prompt_id = self.queue(graph)
            end = time.monotonic() + timeout
            while time.monotonic() < end:
                message = await socket_.receive(timeout=timeout)
                if message.type in (
                    aiohttp.WSMsgType.CLOSED,
                    aiohttp.WSMsgType.CLOSING,
                    aiohttp.WSMsgType.ERROR,
                ):
                    break
                if message.type == aiohttp.WSMsgType.BINARY and (shown := preview_of(message.data)):
                    preview(*shown)
                if message.type != aiohttp.WSMsgType.TEXT:
                    continue
                event = json.loads(message.data)
                data = event.get("data") or {}
                if data.get("prompt_id", prompt_id) != prompt_id:
                    continue
                if event["type"] == "executing" and data.get("node") is not None:
                    progress(data["node"], 0, 0)
                elif event["type"] == "progress":
                    progress(data["node"], data["value"], data["max"])
                elif event["type"] in ("execution_success", "execution_error", "execution_interrupted"):
                    break
        return prompt_id


def ignored(*_) -> None:
    """Do nothing: default callback."""


def preview_of(message: bytes) -> tuple[dict, bytes] | None:
    """Return metadata and image file of a preview message of ComfyUI's websocket; None for other messages."""
    kind, length = struct.unpack(">II", message[:8])
    if kind != PREVIEW:
        return None
    return json.loads(message[8 : 8 + length]), message[8 + length :]


def refusal(details: dict) -> str:
    """Return ComfyUI's error messages for a rejected graph."""
    sentences = [
        f"{record.get('class_type')} ({node}): {error['message']} {error.get('details', '')}".strip()
        for node, record in (details.get("node_errors") or {}).items()
        for error in record["errors"]
    ]
    return " | ".join(sentences) or details.get("error", {}).get("message", "refused")


def failure(record: dict) -> tuple[str, dict]:
    """Return ComfyUI's error message for a graph that failed or was interrupted, and its details."""
    for kind, data in record["status"]["messages"]:
        if kind == "execution_error":
            return f"{data['node_type']} ({data['node_id']}): {data['exception_message'].strip()}", data
        if kind == "execution_interrupted":
            return f"interrupted in {data.get('node_type')} ({data.get('node_id')})", data
    return "the graph failed", record
