"""Converts workflow files saved by the front end to the API format that the server runs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from ..errors import SKPortraitError
from .environment import ROOT

TEMPLATES, BLUEPRINTS = ROOT / "workflows", ROOT / "subgraphs"  # shipped with the pack
# Plain graphs as users saved them with 0.1; the demo and the tests run them, so that they keep loading.
SAVED = ROOT / "demo" / "saved"
NOTES = {"Note", "MarkdownNote"}
MUTED, BYPASSED = 2, 4  # LiteGraph's modes "never" and "bypass"
INPUTS, OUTPUTS = -10, -20  # ids of the two ends of a subgraph
PRIMITIVES = {"INT", "FLOAT", "STRING", "BOOLEAN", "COMBO"}
SEEDS = {"seed", "noise_seed"}  # widgets after which the front end inserts its own "control after generate"


@dataclass(eq=False)
class WorkflowError(SKPortraitError, ValueError):
    """A workflow cannot be run. node: class of the node that prevents it."""

    node: str = ""


def read(name: str, folder: Path = SAVED) -> dict:
    """Read a workflow by name, without `.json`: by default a plain graph, or from TEMPLATES or BLUEPRINTS."""
    return json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))


def names(folder: Path = SAVED) -> list[str]:
    """Return the names of the workflows in a folder."""
    return sorted(file.stem for file in folder.glob("*.json"))


def nodes_within(workflow: dict) -> Iterator[dict]:
    """Yield every node of a saved workflow, including those inside its subgraphs."""
    yield from workflow["nodes"]
    for inner in workflow.get("definitions", {}).get("subgraphs", ()):
        yield from inner["nodes"]


def models(*workflows: dict) -> dict[tuple[str, str], str]:
    """Return {(directory, name): address} of every model file that
    workflows name, by default of all in this checkout.
    """
    every = workflows or [read(name, folder) for folder in (SAVED, TEMPLATES) for name in names(folder)]
    entries = (
        model
        for workflow in every
        for node in nodes_within(workflow)
        for model in node["properties"].get("models", ())
    )
    return {(model["directory"], model["name"]): model["url"] for model in entries}


def inputs_of(info: dict) -> dict[str, list]:
    """Return the inputs of a node class in the order of its widgets: {name: [type, options]}."""
    return _declared(info["input"])


def _declared(inputs: dict) -> dict[str, list]:
    return {name: spec for kind in ("required", "optional") for name, spec in inputs.get(kind, {}).items()}


def options_of(spec: list) -> dict:
    """Return the options of an input's definition."""
    return spec[1] if len(spec) > 1 else {}


def is_widget(spec: list) -> bool:
    """Whether the front end shows this input as a widget:
    a primitive, a choice, or an input with a default.
    """
    options = options_of(spec)
    if options.get("forceInput"):
        return False
    # An empty default is none: the sockets of training losses have one in ComfyUI 0.3.64.
    has_value = options.get("default", {}) != {} or "options" in options
    return isinstance(spec[0], list) or spec[0] in PRIMITIVES or has_value


def type_of(spec: list) -> str:
    """Return the type of an input as in saved workflows."""
    return "COMBO" if isinstance(spec[0], list) else spec[0]


def choices(spec: list) -> list:
    """Return the values that a widget offers; empty for numbers and texts."""
    offered = spec[0] if isinstance(spec[0], list) else options_of(spec).get("options", [])
    return [choice["key"] if isinstance(choice, dict) else choice for choice in offered]


def brought(spec: list, chosen) -> dict:
    """Return the inputs that one value of a dynamic choice
    (COMFY_DYNAMICCOMBO_V3) adds, as in `info["input"]`.
    """
    offered = options_of(spec).get("options", [])
    return next(
        (choice["inputs"] for choice in offered if isinstance(choice, dict) and choice["key"] == chosen), {}
    )


class Widget(NamedTuple):
    name: str  # as in the API format: an input added by a dynamic choice is `choice.input`
    spec: list  # its type and options
    # Index in the saved values: in the front end's order, including its own widget after each seed.
    place: int
    value: object


def widgets(info: dict, value_of: Callable[[str, list, int], object]) -> Iterator[Widget]:
    """Yield the widgets of a node class in the front end's order, each
    with the value of `value_of(name, spec, place)`.

    The value of a dynamic choice determines the widgets that follow it.
    """
    place, pending = 0, list(inputs_of(info).items())
    while pending:
        name, spec = pending.pop(0)
        if not is_widget(spec):
            continue
        widget = Widget(name, spec, place, value_of(name, spec, place))
        yield widget
        place += 2 if followed(widget) else 1
        pending[:0] = [
            (f"{name}.{inner}", spec) for inner, spec in _declared(brought(spec, widget.value)).items()
        ]


def followed(widget: Widget) -> bool:
    """Whether the front end inserts its own "control after generate" after this widget."""
    return bool(options_of(widget.spec).get("control_after_generate")) or widget.name in SEEDS


def saved_widgets(node: dict, info: dict) -> list[Widget]:
    """Return the widgets of a saved node; those that did not exist when it
    was saved have the front end's initial values.
    """
    saved = node.get("widgets_values") or ()
    return list(widgets(info, lambda _, spec, place: saved[place] if place < len(saved) else beginning(spec)))


def to_values(node: dict, info: dict) -> dict:
    """Return the widget values of a saved node by name."""
    return {widget.name: widget.value for widget in saved_widgets(node, info) if widget.value is not None}


def beginning(spec: list):
    """Return the initial value of a widget: its default,
    or the first of its choices; None if it has neither.
    """
    offered = choices(spec)
    return options_of(spec).get("default", offered[0] if offered else None)


def flat(workflow: dict) -> dict:
    """Expand the subgraphs of a saved workflow as the front end does:
    the nodes within node 5 become "5:1", "5:2", ...

    Muted nodes and their links are dropped. Raises WorkflowError for a
    bypassed node, or for a subgraph within another.
    """
    inner_graphs = {inner["id"]: inner for inner in workflow.get("definitions", {}).get("subgraphs", ())}
    links = {link[0]: (str(link[1]), link[2]) for link in workflow["links"]}
    nodes, made = [], {}  # made: (subgraph node, its output) -> (node within, its output)
    for node in workflow["nodes"]:
        if node.get("mode", 0) == BYPASSED:
            raise WorkflowError(
                f"Node {node['id']} ({node['type']}) is bypassed; only plain workflows can be run from here.",
                node["type"],
            )
        if node.get("mode", 0) == MUTED:
            continue
        if node["type"] not in inner_graphs:
            nodes.append(node | {"id": str(node["id"])})
            continue
        inner, outer = inner_graphs[node["type"]], str(node["id"])
        given = {
            entry["name"]: links[entry["link"]]
            for entry in node.get("inputs", ())
            if entry.get("link") is not None
        }
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
            wires = [
                entry | {"link": None if entry.get("link") is None else (outer, entry["link"])}
                for entry in part.get("inputs", ())
            ]
            nodes.append(part | {"id": f"{outer}:{part['id']}", "inputs": wires})
    links = {key: made.get(source, source) for key, source in links.items()}
    there = {node["id"] for node in nodes}
    return {
        "nodes": nodes,
        "links": [(key, *source) for key, source in links.items() if source and source[0] in there],
    }


def to_api(workflow: dict, object_info: dict) -> dict:
    """Convert a saved workflow to {node id: {"class_type", "inputs"}},
    with the node definitions of GET /object_info.

    Raises WorkflowError that names a node class which ComfyUI does not know, or a bypassed node.
    """
    workflow = flat(workflow)
    sources = {link[0]: [link[1], link[2]] for link in workflow["links"]}
    graph = {}
    for node in workflow["nodes"]:
        kind = node["type"]
        if kind in NOTES:
            continue
        if kind not in object_info:
            raise WorkflowError(
                f"Node {node['id']} of the workflow is of class {kind!r}, which this ComfyUI does not have. "
                "Install its node pack.",
                kind,
            )
        info = object_info[kind]
        links = {
            entry["name"]: sources[entry["link"]]
            for entry in node.get("inputs", ())
            if entry.get("link") in sources
        }
        # A link to an old name of an input is kept, as in the front end.
        inputs = to_values(node, info) | links
        graph[node["id"]] = {
            "class_type": kind,
            "inputs": inputs,
            "_meta": {"title": node.get("title") or kind},
        }
    return graph


def require_complete(graph: dict, object_info: dict) -> None:
    """Check an API graph before it runs, because ComfyUI detects
    a missing input only when it reaches the node.

    Raises WorkflowError that names each node without a value for a required input,
    and each link to an output that does not exist.
    """
    faults = [fault for key, node in graph.items() for fault in _faults(key, node, graph, object_info)]
    if faults:
        raise WorkflowError(
            f"The graph cannot run: {'; '.join(faults)}. Save the workflow again in this version of ComfyUI."
        )


def _faults(key: str, node: dict, graph: dict, object_info: dict) -> Iterator[str]:
    label, given = f"node {key} ({node['class_type']})", node["inputs"]
    for name, value in given.items():
        if isinstance(value, list) and len(value) == 2 and str(value[0]) not in graph:
            yield f"{label}: {name} comes from node {value[0]}, which is not in the graph"
    if node["class_type"] not in object_info:
        yield f"{label} is unknown to this ComfyUI"
        return
    for name in required(object_info[node["class_type"]], given):
        # An API graph of an earlier version has the input
        # without the prefix of the choice that adds it today.
        if not {name, name.split(".")[-1]} & given.keys():
            yield f"{label} has no {name}"


def required(info: dict, given: dict) -> Iterator[str]:
    """Yield the names of the inputs that a node requires, including those that its dynamic choices add."""
    pending = [("", info["input"])]
    while pending:
        prefix, inputs = pending.pop()
        for name, spec in _declared(inputs).items():
            # An input that grows or matches (COMFY_AUTOGROW_V3 and others)
            # has sockets of its own, under their own names.
            if name in inputs.get("required", {}) and "template" not in options_of(spec):
                yield prefix + name
            pending.append((f"{prefix}{name}.", brought(spec, given.get(prefix + name))))


def nodes_of(graph: dict, kind: str, title: str | None = None) -> list[dict]:
    """Return the nodes of an API graph by class and, if given, by title."""
    return [n for n in graph.values() if n["class_type"] == kind and title in (None, n["_meta"]["title"])]


def node_id(graph: dict, kind: str, title: str | None = None) -> str:
    """Return the id of the only such node. Raises WorkflowError if there is none or more than one."""
    found = [
        key for key, n in graph.items() if n["class_type"] == kind and title in (None, n["_meta"]["title"])
    ]
    if len(found) != 1:
        titled = f" titled {title!r}" if title else ""
        raise WorkflowError(
            f"The graph has {len(found)} {kind} nodes{titled}; exactly one is needed.",
            kind,
        )
    return found[0]
