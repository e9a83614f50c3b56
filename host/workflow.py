"""Workflow files as the front end saves them, turned into the API format that the server runs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from .environment import ROOT

TEMPLATES, BLUEPRINTS = ROOT / "workflows", ROOT / "subgraphs"  # what the pack ships
SAVED = ROOT / "demo" / "saved"  # plain graphs, as artists saved them with 0.1: the demo and the tests run them, so they keep loading
NOTES = {"Note", "MarkdownNote"}
MUTED, BYPASSED = 2, 4  # LiteGraph's modes "never" and "bypass"
INPUTS, OUTPUTS = -10, -20  # ids of the two ends of a subgraph
WIDGETS = {"INT", "FLOAT", "STRING", "BOOLEAN", "COMBO"}


def read(name: str, folder: Path = SAVED) -> dict:
    """A workflow by name, without `.json`: a plain graph, or what lies in TEMPLATES or BLUEPRINTS."""
    return json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))


def names(folder: Path = SAVED) -> list[str]:
    """The workflows of a folder."""
    return sorted(file.stem for file in folder.glob("*.json"))


def nodes_within(workflow: dict) -> Iterator[dict]:
    """Every node of a saved workflow, those inside its subgraphs too."""
    yield from workflow["nodes"]
    for inner in workflow.get("definitions", {}).get("subgraphs", ()):
        yield from inner["nodes"]


def models(*workflows: dict) -> dict[tuple[str, str], str]:
    """(directory, name) -> address of every model file that workflows name, by default all that lie here."""
    every = workflows or [read(name, folder) for folder in (SAVED, TEMPLATES) for name in names(folder)]
    entries = (model for workflow in every for node in nodes_within(workflow) for model in node["properties"].get("models", ()))
    return {(model["directory"], model["name"]): model["url"] for model in entries}


def inputs_of(info: dict) -> dict[str, list]:
    """Inputs of a node class in the order of its widgets: {name: [type, options]}."""
    return {name: spec for kind in ("required", "optional") for name, spec in info["input"].get(kind, {}).items()}


def _widgets(info: dict) -> dict[str, list]:
    return {
        name: spec
        for name, spec in inputs_of(info).items()
        if (isinstance(spec[0], list) or spec[0] in WIDGETS) and not (len(spec) > 1 and spec[1].get("forceInput"))
    }


def widget_places(info: dict) -> dict[str, int]:
    """Widget -> its index in the saved values: the file lists them in order, with the front end's own widget after each seed."""
    places, place = {}, 0
    for name, spec in _widgets(info).items():
        options = spec[1] if len(spec) > 1 else {}
        places[name] = place
        place += 2 if options.get("control_after_generate") or name in ("seed", "noise_seed") else 1
    return places


def to_values(node: dict, info: dict) -> dict:
    """Widget values of a saved node by name; those that did not exist when it was saved have what the front end starts with."""
    saved = node.get("widgets_values") or ()
    values = {name: saved[place] for name, place in widget_places(info).items() if place < len(saved)}
    return {name: beginning(spec) for name, spec in _widgets(info).items() if beginning(spec) is not None} | values


def beginning(spec: list):
    """What a widget starts with: its default, or the first of its choices; None where it has neither."""
    options = spec[1] if len(spec) > 1 else {}
    choices = spec[0] if isinstance(spec[0], list) else options.get("options")
    return options.get("default", choices[0] if choices else None)


def flat(workflow: dict) -> dict:
    """A saved workflow with its subgraphs opened, as the front end sends them: the nodes within node 5 become "5:1", "5:2", ...

    Muted nodes are left out, with the wires from them. Raises ValueError for a bypassed node, or for a subgraph within another.
    """
    inner_graphs = {inner["id"]: inner for inner in workflow.get("definitions", {}).get("subgraphs", ())}
    links = {link[0]: (str(link[1]), link[2]) for link in workflow["links"]}
    nodes, made = [], {}  # made: (subgraph node, its output) -> (node within, its output)
    for node in workflow["nodes"]:
        if node.get("mode", 0) == BYPASSED:
            raise ValueError(f"Node {node['id']} ({node['type']}) is bypassed; only plain workflows can be run from here.")
        if node.get("mode", 0) == MUTED:
            continue
        if node["type"] not in inner_graphs:
            nodes.append(node | {"id": str(node["id"])})
            continue
        inner, outer = inner_graphs[node["type"]], str(node["id"])
        given = {entry["name"]: links[entry["link"]] for entry in node.get("inputs", ()) if entry.get("link") is not None}
        inputs = [given.get(entry["name"]) for entry in inner["inputs"]]
        for link in inner["links"]:
            within = f"{outer}:{link['origin_id']}", link["origin_slot"]
            source = inputs[link["origin_slot"]] if link["origin_id"] == INPUTS else within
            if link["target_id"] == OUTPUTS:
                made[outer, link["target_slot"]] = source
            links[outer, link["id"]] = source
        for part in inner["nodes"]:
            if part.get("mode", 0) == MUTED:
                continue
            wires = [entry | {"link": None if entry.get("link") is None else (outer, entry["link"])} for entry in part.get("inputs", ())]
            nodes.append(part | {"id": f"{outer}:{part['id']}", "inputs": wires})
    links = {key: made.get(source, source) for key, source in links.items()}
    there = {node["id"] for node in nodes}
    return {"nodes": nodes, "links": [(key, *source) for key, source in links.items() if source and source[0] in there]}


def to_api(workflow: dict, object_info: dict) -> dict:
    """{node id: {"class_type", "inputs"}} of a saved workflow, by the node definitions of GET /object_info.

    Raises ValueError that names a node class which the host does not know, or a node that is bypassed.
    """
    workflow = flat(workflow)
    sources = {link[0]: [link[1], link[2]] for link in workflow["links"]}
    graph = {}
    for node in workflow["nodes"]:
        kind = node["type"]
        if kind in NOTES:
            continue
        if kind not in object_info:
            raise ValueError(f"The host has no node {kind!r}, which the workflow uses in node {node['id']}.")
        info = object_info[kind]
        links = {entry["name"]: sources[entry["link"]] for entry in node.get("inputs", ()) if entry.get("link") in sources}
        inputs = to_values(node, info) | links  # a link to an old name of an input stays, as in the front end
        graph[node["id"]] = {"class_type": kind, "inputs": inputs, "_meta": {"title": node.get("title") or kind}}
    return graph


def nodes_of(graph: dict, kind: str, title: str | None = None) -> list[dict]:
    """Nodes of an API graph by class and, where given, by title."""
    return [n for n in graph.values() if n["class_type"] == kind and title in (None, n["_meta"]["title"])]


def node_id(graph: dict, kind: str, title: str | None = None) -> str:
    """Id of the only such node. Raises LookupError where there is none or more than one."""
    found = [key for key, n in graph.items() if n["class_type"] == kind and title in (None, n["_meta"]["title"])]
    if len(found) != 1:
        raise LookupError(f"The graph has {len(found)} nodes of class {kind!r} and title {title!r}, and one is needed.")
    return found[0]
