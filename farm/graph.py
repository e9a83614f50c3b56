"""What of a workflow every worker runs itself, and what it is handed: cutting a graph in API format in front of its sampler."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

SAMPLER = "SKPortraitTwoStageSampler"
GIVEN = "FarmGiven"  # the private node of `session` that stands for a value handed over
# Values that travel between machines. Everything else (MODEL, GUIDER, networks, ...) each worker makes from its own files.
DATA = frozenset(
    "LATENT IMAGE MASK AUDIO VIDEO SIGMAS SK_DRIVE SK_TRAJECTORY FACE_TRACK SK_CROP SK_FACE_MOTION SK_FACE_PATCHES CLIP_VISION_OUTPUT "
    "INT FLOAT STRING BOOLEAN FLOATS".split()
)
PROMPT_PARTS = DATA | {"CLIP"}  # of which a CONDITIONING may be made and still be nothing but data

Link = tuple[str, int]
Graph = dict[str, dict]


def is_link(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and isinstance(value[1], int)


def sampler_of(graph: Graph) -> str:
    """Id of the one Two-Stage Sampler. Raises ValueError where there is none or more than one."""
    found = [key for key, node in graph.items() if node["class_type"] == SAMPLER]
    if len(found) != 1:
        raise ValueError(f"The farm takes a workflow with one Two-Stage Sampler; this one has {len(found)}.")
    return found[0]


def consumers(graph: Graph, source: str) -> list[tuple[str, int]]:
    """(node, output of the source) of everything that is wired to it."""
    return [(key, value[1]) for key, node in graph.items() for value in node["inputs"].values() if is_link(value) and value[0] == source]


def ends_as(graph: Graph, source: str, chain: Mapping[str, str]) -> bool:
    """Whether nothing hangs on a node but this chain (class -> the class that follows), by first outputs."""
    if graph[source]["class_type"] not in chain:
        return not consumers(graph, source)
    after = consumers(graph, source)
    if len(after) != 1 or after[0][1] != 0:
        return False
    (following, _) = after[0]
    return graph[following]["class_type"] == chain[graph[source]["class_type"]] and ends_as(graph, following, chain)


def replaced(graph: Graph, source: str, keys: Sequence[str]) -> Graph:
    """The graph with Given nodes in place of a node: its output i is the value `keys[i]`."""

    def rewired(value: Any) -> Any:
        return [f"given {keys[value[1]]}", 0] if is_link(value) and value[0] == source else value

    rest = {
        key: node | {"inputs": {name: rewired(value) for name, value in node["inputs"].items()}}
        for key, node in graph.items()
        if key != source
    }
    return rest | {f"given {key}": {"class_type": GIVEN, "inputs": {"key": key}} for key in keys}


def cut(graph: Graph, info: Mapping[str, dict], ends: Mapping[str, list]) -> tuple[Graph, dict[str, Link]]:
    """The part of a graph that a worker runs to get `ends` (name -> link), with Given nodes where it is handed a value.

    -> (graph, key of a Given node -> the link whose value it stands for). info: outputs of every node class.
    """
    local: Graph = {}
    handed: dict[str, Link] = {}

    def follow(link: list) -> list:
        source, slot = link
        if _is_data(graph, info, link):
            key = f"given {source} {slot}"
            handed[key] = (source, slot)
            local[key] = {"class_type": GIVEN, "inputs": {"key": key}}
            return [key, 0]
        if source not in local:
            local[source] = node = copy.deepcopy(graph[source])
            node["inputs"] = {name: follow(value) if is_link(value) else value for name, value in node["inputs"].items()}
        return link

    for link in ends.values():
        follow(link)
    return local, handed


def end_links(ends: Mapping[str, list], handed: Mapping[str, Link]) -> dict[str, list]:
    """The same ends in the graph that `cut` made."""
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
