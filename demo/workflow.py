"""Workflow files as the front end saves them, turned into the API format that the server runs."""

from __future__ import annotations

import json

from .environment import ROOT

FOLDER = ROOT / "workflows"
NOTES = {"Note", "MarkdownNote"}
MUTED = {2, 4}  # LiteGraph's modes "never" and "bypass"
WIDGETS = {"INT", "FLOAT", "STRING", "BOOLEAN", "COMBO"}


def read(name: str) -> dict:
    """A shipped workflow by name, without `.json`."""
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def models(*names: str) -> set[tuple[str, str]]:
    """(directory, name) of every model file that shipped workflows name, all of them by default."""
    saved = [read(name)["nodes"] for name in names or (file.stem for file in FOLDER.glob("*.json"))]
    return {(m["directory"], m["name"]) for nodes in saved for node in nodes for m in node["properties"].get("models", ())}


def inputs_of(info: dict) -> dict[str, list]:
    """Inputs of a node class in the order of its widgets: {name: [type, options]}."""
    return {name: spec for kind in ("required", "optional") for name, spec in info["input"].get(kind, {}).items()}


def _widgets(info: dict) -> dict[str, list]:
    return {
        name: spec
        for name, spec in inputs_of(info).items()
        if (isinstance(spec[0], list) or spec[0] in WIDGETS) and not (len(spec) > 1 and spec[1].get("forceInput"))
    }


def _values(node: dict, info: dict) -> dict:
    """Widget values of a saved node by name: the file lists them in order, with the front end's own widget after each seed."""
    values, saved = {}, iter(node.get("widgets_values") or ())
    for name, spec in _widgets(info).items():
        options = spec[1] if len(spec) > 1 else {}
        try:
            values[name] = next(saved)
        except StopIteration:  # made on an older host: the widget did not exist
            if "default" in options:
                values[name] = options["default"]
            continue
        if options.get("control_after_generate") or name in ("seed", "noise_seed"):
            next(saved, None)
    return values


def to_api(workflow: dict, object_info: dict) -> dict:
    """{node id: {"class_type", "inputs"}} of a saved workflow, by the node definitions of GET /object_info.

    Raises ValueError that names a node class which the host does not know, or a node that is muted or bypassed.
    """
    sources = {link[0]: [str(link[1]), link[2]] for link in workflow["links"]}
    graph = {}
    for node in workflow["nodes"]:
        kind = node["type"]
        if kind in NOTES:
            continue
        if kind not in object_info:
            raise ValueError(f"The host has no node {kind!r}, which the workflow uses in node {node['id']}.")
        if node.get("mode", 0) in MUTED:
            raise ValueError(f"Node {node['id']} ({kind}) is muted or bypassed; only plain workflows can be run from here.")
        info = object_info[kind]
        links = {entry["name"]: sources[entry["link"]] for entry in node.get("inputs", ()) if entry.get("link") is not None}
        known = inputs_of(info)
        inputs = _values(node, info) | {name: link for name, link in links.items() if name in known}
        graph[str(node["id"])] = {"class_type": kind, "inputs": inputs, "_meta": {"title": node.get("title") or kind}}
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
