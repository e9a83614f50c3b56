"""A workflow as a graph in API format, divided into the part that
every worker runs and the values that it is sent.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from ..host import workflow

SAMPLER = "SKPortraitTwoStageSampler"
GIVEN = "FarmGiven"  # the private node of `session` that provides a value sent to this machine
# Types of values that are sent between machines. Each worker makes all others
# (MODEL, GUIDER, networks, ...) from its own files.
DATA = frozenset(
    "LATENT IMAGE MASK AUDIO VIDEO SIGMAS SK_DRIVE SK_TRAJECTORY FACE_TRACK SK_CROP SK_FACE_MOTION SK_FACE_PATCHES CLIP_VISION_OUTPUT "
    "INT FLOAT STRING BOOLEAN FLOATS".split()
)
PROMPT_PARTS = DATA | {"CLIP"}  # types from which a CONDITIONING may be made and still count as data

Link = tuple[str, int]
Graph = dict[str, dict]


def read(path: Path, info: Callable[[set[str]], Mapping[str, dict]]) -> Graph:
    """Read a graph in API format from either kind of file.

    info: returns the definitions of these node classes.

    Raises WorkflowError if the file is neither kind, or a node lacks a required input.
    """
    try:
        saved = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise workflow.WorkflowError(f"{path} is no JSON file: {error}.") from None
    if isinstance(saved, dict) and "nodes" in saved:
        kinds = {node["type"] for node in workflow.flat(saved)["nodes"]} - workflow.NOTES
        definitions = info(kinds)
        graph = workflow.to_api(saved, definitions)
        workflow.require_complete(graph, definitions)
        return graph
    if isinstance(saved, dict) and all(
        isinstance(node, dict) and "class_type" in node for node in saved.values()
    ):
        return saved
    raise workflow.WorkflowError(
        f"{path} is neither a saved workflow nor a graph in API format. Save it in ComfyUI with Workflow > Save or Export (API)."
    )


def is_link(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and isinstance(value[1], int)


def texts(graph: Graph) -> set[str]:
    """Return every text in the widgets of a graph, which includes the names of files."""
    return {value for node in graph.values() for value in node["inputs"].values() if isinstance(value, str)}


def sampler_of(graph: Graph) -> str:
    """Return the id of the only Portrait Video Sampler.

    Raises WorkflowError if there is none or more than one.
    """
    found = [key for key, node in graph.items() if node["class_type"] == SAMPLER]
    if len(found) != 1:
        raise workflow.WorkflowError(
            f"The farm takes a workflow with one Portrait Video Sampler; this one has {len(found)}."
        )
    return found[0]


def consumers(graph: Graph, source: str) -> list[tuple[str, int]]:
    """Return (node, output of the source) for everything that is connected to the source."""
    return [
        (key, value[1])
        for key, node in graph.items()
        for value in node["inputs"].values()
        if is_link(value) and value[0] == source
    ]


def upstream(graph: Graph, ends: Iterable[str]) -> Graph:
    """Return these nodes and all nodes that they depend on."""
    found: Graph = {}
    waiting = list(ends)
    while waiting:
        key = waiting.pop()
        if key not in found:
            found[key] = graph[key]
            waiting += [value[0] for value in graph[key]["inputs"].values() if is_link(value)]
    return found


def downstream(graph: Graph, source: str) -> set[str]:
    """Return all nodes that depend on a node."""
    found: set[str] = set()
    waiting = [source]
    while waiting:
        new = {key for key, _ in consumers(graph, waiting.pop())} - found
        found |= new
        waiting += new
    return found


def ends_as(graph: Graph, source: str, chain: Mapping[str, str]) -> bool:
    """Whether only this chain (class -> following class) is connected to a node, by first outputs."""
    if graph[source]["class_type"] not in chain:
        return not consumers(graph, source)
    after = consumers(graph, source)
    if len(after) != 1 or after[0][1] != 0:
        return False
    (following, _) = after[0]
    return graph[following]["class_type"] == chain[graph[source]["class_type"]] and ends_as(
        graph, following, chain
    )


def replaced(graph: Graph, source: str, stand_ins: Graph) -> Graph:
    """Replace one node by several: the first output of stand-in i takes the place of output i."""
    names = list(stand_ins)

    def rewired(value: Any) -> Any:
        return [names[value[1]], 0] if is_link(value) and value[0] == source else value

    rest = {
        key: node | {"inputs": {name: rewired(value) for name, value in node["inputs"].items()}}
        for key, node in graph.items()
        if key != source
    }
    return rest | stand_ins


def given(key: str) -> dict:
    """Return a Given node."""
    return {"class_type": GIVEN, "inputs": {"key": key}}


def cut(graph: Graph, info: Mapping[str, dict], ends: Mapping[str, list]) -> tuple[Graph, dict[str, Link]]:
    """Return the part of a graph that a worker runs to get `ends` (name -> link),
    with Given nodes for the values that it is sent.

    info: outputs of every node class. Returns (graph, {key of a Given node: the link that it replaces}).
    """
    local: Graph = {}
    handed: dict[str, Link] = {}

    def follow(link: list) -> list:
        source, slot = link
        if _is_data(graph, info, link):
            key = f"given {source} {slot}"
            handed[key] = (source, slot)
            local[key] = given(key)
            return [key, 0]
        if source not in local:
            local[source] = node = copy.deepcopy(graph[source])
            node["inputs"] = {
                name: follow(value) if is_link(value) else value for name, value in node["inputs"].items()
            }
        return link

    for link in ends.values():
        follow(link)
    return local, handed


def end_links(ends: Mapping[str, list], handed: Mapping[str, Link]) -> dict[str, list]:
    """Return the links of the same ends in the graph that `cut` returned."""
    keys = {tuple(link): key for key, link in handed.items()}
    return {name: [keys[tuple(link)], 0] if tuple(link) in keys else link for name, link in ends.items()}


def _is_data(graph: Graph, info: Mapping[str, dict], link: list) -> bool:
    source, slot = link
    kind = _kind(graph, info, link)
    if kind != "CONDITIONING":
        return kind in DATA
    made_of = [value for value in graph[source]["inputs"].values() if is_link(value)]
    return all(_kind(graph, info, value) in PROMPT_PARTS or _is_data(graph, info, value) for value in made_of)


def _kind(graph: Graph, info: Mapping[str, dict], link: list) -> str:
    return info[graph[link[0]]["class_type"]]["output"][link[1]]
