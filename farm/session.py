"""A headless ComfyUI in this process: its nodes and its own executor, without a server."""

from __future__ import annotations

import asyncio
import inspect
import uuid
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..host import installation
from ..host.workflow import WorkflowError
from .failures import GraphError
from .graph import GIVEN, Graph, texts

TAKEN = "FarmTaken"


class Given:
    """A node that outputs a value made on another machine."""

    VALUES: dict[str, Any] = {}
    RETURN_TYPES = ("*",)
    FUNCTION = "give"
    CATEGORY = "SK Portrait/farm"

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"key": ("STRING", {})}}

    def give(self, key):
        return (self.VALUES[key],)


class Taken:
    """A node that stores its input value for the session."""

    VALUES: dict[str, Any] = {}
    RETURN_TYPES = ()
    OUTPUT_NODE = True
    FUNCTION = "take"
    CATEGORY = "SK Portrait/farm"

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"key": ("STRING", {}), "value": ("*", {})}}

    def take(self, key, value):
        self.VALUES[key] = value
        return {}


class _NoServer:
    """Ignores the messages of the executor to its server."""

    client_id = last_node_id = last_prompt_id = None
    sockets_metadata: dict = {}

    def send_sync(self, *_):
        """Do nothing: there is no client."""


class Session:
    """ComfyUI in this process with this pack's nodes.

    base: its base directory (models, input, custom_nodes, ...).
    """

    def __init__(self, comfy: Path, base: Path):
        installation.enter(comfy, base)
        import execution
        import server
        import utils.extra_config
        from comfy.utils import set_progress_bar_enabled

        import nodes

        set_progress_bar_enabled(False)  # the farm shows its own progress bar
        server.PromptServer(
            asyncio.new_event_loop()
        )  # other packs register routes on it when they are loaded; it is never started
        if (models := comfy / "extra_model_paths.yaml").is_file():  # as ComfyUI does itself
            utils.extra_config.load_extra_path_config(str(models))
        asyncio.run(nodes.init_extra_nodes(init_api_nodes=False))
        pack = asyncio.run(_own_nodes())
        nodes.NODE_CLASS_MAPPINGS.update(pack | {GIVEN: Given, TAKEN: Taken})
        self.classes = nodes.NODE_CLASS_MAPPINGS
        known = inspect.signature(execution.PromptExecutor).parameters
        options = {"cache_args": {"lru": 0, "ram": 0.0, "ram_inactive": 0.0}} if "cache_args" in known else {}
        self.executor = execution.PromptExecutor(_NoServer(), execution.CacheType.CLASSIC, **options)

    def info(self, kinds: Iterable[str]) -> dict[str, dict]:
        """Return the definitions of node classes, as GET /object_info does.

        Raises WorkflowError for an unknown one.
        """
        found = {}
        for kind in set(kinds):
            if kind not in self.classes:
                raise WorkflowError(f"This ComfyUI has no node {kind!r}, which the workflow uses.", kind)
            found[kind] = {
                "input": self.classes[kind].INPUT_TYPES(),
                "output": [str(t) for t in self.classes[kind].RETURN_TYPES],
            }
        return found

    def evaluate(
        self, graph: Graph, wanted: Mapping[str, list], given: Mapping[str, Any] = {}
    ) -> dict[str, Any]:  # noqa: B006
        """Return the values at the links `wanted`. Raises GraphError if a node fails."""
        asking = uuid.uuid4().hex
        takers = {
            f"taken {name}": {"class_type": TAKEN, "inputs": {"key": f"{asking} {name}", "value": link}}
            for name, link in wanted.items()
        }
        self.run(graph | takers, list(takers), given)
        return {name: Taken.VALUES.pop(f"{asking} {name}") for name in wanted}

    def run(self, graph: Graph, outputs: Sequence[str], given: Mapping[str, Any]) -> None:
        """Run these nodes of a graph, and all that they depend on. Raises GraphError if a node fails."""
        Given.VALUES.update(given)
        self.executor.execute(graph, uuid.uuid4().hex, execute_outputs=list(outputs))
        if not self.executor.success:
            raise GraphError(_failure(self.executor.status_messages))

    def files(self, graph: Graph) -> dict[str, str | None]:
        """Return {name: SHA-256} of every model file that the nodes of a graph name."""
        from ..nodes import file_hashes

        return file_hashes.models(texts(graph))

    def inputs(self, graph: Graph) -> dict[str, str]:
        """Return {name: SHA-256} of every file in the input folder that the nodes of a graph name."""
        from ..nodes import file_hashes

        return file_hashes.inputs(texts(graph))


async def _own_nodes() -> dict[str, type]:
    from .. import comfy_entrypoint

    extension = await comfy_entrypoint()
    return {node.GET_SCHEMA().node_id: node for node in await extension.get_node_list()}


def _failure(messages: list) -> str:
    for kind, data in messages:
        if kind == "execution_error":
            return f"{data['node_type']} ({data['node_id']}): {str(data['exception_message']).strip()}"
    return "The graph was interrupted."
