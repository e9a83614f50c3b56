"""Writes workflows and blueprints in the front end's format, from
a few lines per node: `python run.py graphs`.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..host.workflow import (
    INPUTS,
    MUTED,
    OUTPUTS,
    beginning,
    followed,
    inputs_of,
    is_widget,
    options_of,
    type_of,
    widgets,
)
from .layout import GAP_X, Box, Layout, arranged

END = 160  # width of the node at an end of a subgraph
INNER = 100  # more than the number of nodes in any subgraph
COLOUR, CATEGORY = "#3f789e", "SK Portrait"
SPACE = uuid.UUID("5b1f0c8e-6a1d-4c52-9a53-000000000000")


@dataclass(frozen=True)
class Wire:
    """An output of a node, to connect to inputs of others."""

    node: int
    slot: int
    type: str


class Outputs(list[Wire]):
    """The outputs of a node, by index or by name."""

    def __init__(self, wires: Iterable[Wire], names: Sequence[str] = ()):
        super().__init__(wires)
        self.names = list(names)

    def __getitem__(self, key):
        return super().__getitem__(self.names.index(key) if isinstance(key, str) else key)


class Graph:
    """Nodes in columns from left to right. object_info: of a host that knows every node.

    stages: frames around whole columns, as (title, first column, last column)
    """

    stages: tuple[tuple[str, int, int], ...] = ()
    bands: tuple[int, ...] = (0,)
    widths: dict[int, int] = {}
    gap = GAP_X
    seeds = "randomize"  # what the front end does with a seed after a run; "randomize" makes each run differ
    folds = False  # whether nodes without model files, text or pictures are folded

    def __init__(self, name: str, object_info: dict):
        self.name, self.info = name, object_info
        self.boxes: dict[int, Box] = {}
        self.links: list[list] = []
        self.groups: list[tuple[str, list[int]]] = []
        self.definitions: list[dict] = []

    def node(self, type_: str, title: str, column: int, models=(), tall: int = 0, **values) -> Outputs:
        """Add a node, and return its outputs. values: wires and widget values by the name of the input.

        Raises LookupError for an input that the node does not have.
        """
        info = self.info[type_]
        declared = inputs_of(info)
        if unknown := values.keys() - declared.keys():
            raise LookupError(
                f"{type_} has no input {', '.join(sorted(unknown))}; it has {', '.join(declared)}."
            )
        inputs = [
            {"name": name, "type": type_of(spec), "link": None}
            for name, spec in declared.items()
            if not is_widget(spec)
        ]
        saved, places = [], {}
        for widget in widgets(
            info,
            lambda name, spec, _: (
                beginning(spec) if isinstance(values.get(name), Wire | None) else values[name]
            ),
        ):
            inputs.append(
                {
                    "name": widget.name,
                    "type": type_of(widget.spec),
                    "link": None,
                    "widget": {"name": widget.name},
                }
            )
            places[widget.name] = len(saved)
            saved.append(widget.value)
            if followed(widget):
                saved.append(self.seeds)
            if {"image_upload", "video_upload"} & options_of(widget.spec).keys():
                saved.append("image")
        outputs = [
            {"name": name, "type": kind, "links": []}
            for name, kind in zip(info["output_name"], info["output"])
        ]
        properties = {"Node name for S&R": type_} | ({"models": list(models)} if models else {})
        made = self._add(type_, title, column, tall, inputs, outputs, saved, properties, values)
        self.boxes[made[0].node].places = places
        return made

    def after(self, *wires: Wire | None) -> int:
        """Return the number of the column after the nodes of these wires."""
        return 1 + max((self.boxes[wire.node].column for wire in wires if wire), default=-1)

    def set(self, made: list[Wire], widget: str, value) -> None:
        """Change the value of a node's widget."""
        box = self.boxes[made[0].node]
        box.widgets[box.places[widget]] = value

    def connect(self, made: list[Wire], name: str, wire: Wire) -> None:
        """Connect an output to an input of a node that was added before."""
        box = self.boxes[made[0].node]
        slot, entry = next((k, entry) for k, entry in enumerate(box.inputs) if entry["name"] == name)
        self._connect(wire, box.id, slot, entry)

    def mute(self, made: list[Wire]) -> None:
        """Mute a node: the front end leaves it out when the graph runs."""
        self.boxes[made[0].node].mode = MUTED

    def fold(self, made: list[Wire]) -> None:
        """Fold a node, so that only its title is shown."""
        self.boxes[made[0].node].folded = True

    def note(self, text: str, column: int, tall: int) -> None:
        """Add a MarkdownNote."""
        self._add("MarkdownNote", "Read me", column, tall, [], [], [text], {}, {})

    def subgraph(self, inner: Subgraph, column: int, tall: int = 0, **wires: Wire) -> list[Wire]:
        """Add a node that holds a subgraph, whose definition is saved with this graph."""
        first = INNER * (len(self.definitions) + 1)
        definition = inner.definition(first)
        self.definitions.append(definition)
        inputs = [
            {"name": slot["name"], "label": slot["label"], "type": slot["type"], "link": None}
            | ({"widget": {"name": slot["name"]}} if slot["name"] in inner.promoted else {})
            for slot in definition["inputs"]
        ]
        outputs = [
            {"name": slot["name"], "type": slot["type"], "links": []} for slot in definition["outputs"]
        ]
        properties = {
            "proxyWidgets": [[str(first + node), widget] for node, widget in inner.promoted.values()]
        }
        return self._add(definition["id"], inner.name, column, tall, inputs, outputs, [], properties, wires)

    def group(self, title: str, *wires: list[Wire]) -> None:
        """Add a titled frame around nodes, which are given by their outputs."""
        self.groups.append((title, [made[0].node for made in wires]))

    def _add(self, type_, title, column, tall, inputs, outputs, widgets, properties, values) -> Outputs:
        number = len(self.boxes) + 1
        box = Box(number, type_, title, column, tall, inputs, outputs, widgets, properties)
        box.wide = self.widths.get(column, box.wide)
        box.folded = self.folds and not (tall or "models" in properties)
        self.boxes[number] = box
        for slot, entry in enumerate(inputs):
            if isinstance(wire := values.get(entry["name"]), Wire):
                self._connect(wire, number, slot, entry)
        wires = [Wire(number, slot, entry["type"]) for slot, entry in enumerate(outputs)]
        return Outputs(wires or [Wire(number, 0, "")], [entry["name"] for entry in outputs])

    def _connect(self, wire: Wire, target: int, slot: int, entry: dict) -> None:
        link = len(self.links) + 1
        self.links.append([link, wire.node, wire.slot, target, slot, entry["type"]])
        entry["link"] = link
        if wire.node in self.boxes:
            self.boxes[wire.node].outputs[wire.slot]["links"].append(link)

    def _arranged(self) -> Layout:
        return arranged(self.boxes, self.links, self.bands, self.gap)

    def _nodes(self) -> list[dict]:
        return [
            {
                "id": box.id, "type": box.type, "title": box.title, "pos": box.pos, "size": box.size,
                "flags": {"collapsed": True} if box.folded else {}, "order": order,
                "mode": box.mode, "inputs": box.inputs, "outputs": box.outputs, "properties": box.properties,
                "widgets_values": box.widgets,
            }
            for order, box in enumerate(self.boxes.values())
        ]  # fmt: skip

    def _frames(self) -> list[tuple[str, list[int]]]:
        """Return the titles and node numbers of all frames: those around columns, and the groups."""
        whole = (
            (title, [n for n, box in self.boxes.items() if first <= box.column <= last])
            for title, first, last in self.stages
        )
        return [frame for frame in (*whole, *self.groups) if frame[1]]

    def _groups(self) -> list[dict]:
        saved = []
        for number, (title, members) in enumerate(self._frames(), 1):
            boxes = [self.boxes[member] for member in members]
            left, top, right, bottom = zip(*(box.area for box in boxes))
            left, top = min(left) - 14, min(top) - 40
            right, bottom = max(right) + 14, max(bottom) + 14
            saved.append(
                {
                    "id": number,
                    "title": title,
                    "bounding": [left, top, right - left, bottom - top],
                    "color": COLOUR,
                    "flags": {},
                }
            )
        return saved

    def saved(self) -> dict:
        """Return the workflow as the front end saves it."""
        layout = self._arranged()
        nodes, extra = self._nodes(), {}
        if layout.reroutes:
            parents = [{"id": link, "parentId": last} for link, last in layout.parents.items()]
            extra = {"reroutes": layout.saved(self.links), "linkExtensions": parents}
        return {
            "id": str(uuid.uuid5(SPACE, self.name)), "revision": 0, "last_node_id": len(nodes), "last_link_id": len(self.links),
            "nodes": nodes, "links": self.links, "groups": self._groups(),
            "definitions": {"subgraphs": self.definitions}, "config": {}, "extra": extra, "version": 0.4,
        }  # fmt: skip


class Subgraph(Graph):
    """A graph with inputs and outputs of its own.

    promoted: input -> (node, widget) that it shows on the outside.
    """

    folds = True

    def __init__(self, name: str, description: str, object_info: dict):
        super().__init__(name, object_info)
        self.description = description
        self.ends: dict[str, list[dict]] = {"inputs": [], "outputs": []}
        self.promoted: dict[str, tuple[int, str]] = {}

    def given(self, name: str, type_: str) -> Wire:
        """Add an input of the subgraph, and return its wire."""
        self.ends["inputs"].append(self._end(name, type_))
        return Wire(INPUTS, len(self.ends["inputs"]) - 1, type_)

    def promote(self, name: str, made: list[Wire], widget: str) -> None:
        """Show a node's widget on the outside, under this name."""
        box = self.boxes[made[0].node]
        slot, entry = next((k, entry) for k, entry in enumerate(box.inputs) if entry["name"] == widget)
        wire = self.given(name, entry["type"])
        if name == widget:  # then it has the label that the node gives it
            label = options_of(inputs_of(self.info[box.type])[widget]).get("display_name")
            self.ends["inputs"][-1]["label"] = label or self.ends["inputs"][-1]["label"]
        self._connect(wire, box.id, slot, entry)
        self.promoted[name] = (box.id, widget)

    def find(self, title: str, widget: str, value) -> None:
        """Set a widget of the node with this title."""
        number = next(box.id for box in self.boxes.values() if box.title == title)
        self.set([Wire(number, 0, "")], widget, value)

    def choose(self, name: str, value) -> None:
        """Set the value of a promoted widget."""
        node, widget = self.promoted[name]
        self.set([Wire(node, 0, "")], widget, value)

    def out(self, name: str, wire: Wire) -> None:
        """Add an output of the subgraph."""
        self.ends["outputs"].append(self._end(name, wire.type))
        link = len(self.links) + 1
        self.links.append([link, wire.node, wire.slot, OUTPUTS, len(self.ends["outputs"]) - 1, wire.type])
        self.boxes[wire.node].outputs[wire.slot]["links"].append(link)

    def _end(self, name: str, type_: str) -> dict:
        return {
            "id": str(uuid.uuid5(SPACE, f"{self.name}/{name}")),
            "name": name,
            "label": name.replace("_", " "),
            "type": type_,
        }

    def definition(self, first: int) -> dict:
        """Return the definition that a workflow saves.

        first: is added to the node numbers, because the front end requires that they differ from all others
        """
        layout = self._arranged()
        nodes = [node | {"id": first + node["id"]} for node in self._nodes()]
        keys = ("id", "origin_id", "origin_slot", "target_id", "target_slot", "type")
        links = [dict(zip(keys, link)) for link in self.links]
        for link in links:
            link |= {end: first + link[end] for end in ("origin_id", "target_id") if link[end] > 0}
            if link["id"] in layout.parents:
                link["parentId"] = layout.parents[link["id"]]
        right, top = layout.end
        places = {"inputs": (-END - 2 * GAP_X, 0, INPUTS), "outputs": (right + 2 * GAP_X, top, OUTPUTS)}
        slots, ends = {}, {}
        for side, (x, y, number) in places.items():
            end = "origin" if side == "inputs" else "target"
            slots[side] = [
                entry | {
                    "linkIds": [link["id"] for link in links if (link[f"{end}_id"], link[f"{end}_slot"]) == (number, k)],
                    "pos": [x + 120, y + 20 + 20 * k],
                }
                for k, entry in enumerate(self.ends[side])
            ]  # fmt: skip
            ends[side] = {"id": number, "bounding": [x, y, END, 40 + 20 * len(slots[side])]}
        state = {
            "lastGroupId": len(self._frames()),
            "lastNodeId": first + len(nodes),
            "lastLinkId": len(links),
            "lastRerouteId": len(layout.reroutes),
        }
        return {
            "id": str(uuid.uuid5(SPACE, self.name)), "version": 1, "state": state, "revision": 0, "config": {},
            "name": self.name, "category": CATEGORY, "description": self.description,
            "inputNode": ends["inputs"], "outputNode": ends["outputs"], **slots, "widgets": [],
            "nodes": nodes, "groups": self._groups(), "links": links, "reroutes": layout.saved(self.links), "extra": {},
        }  # fmt: skip

    def blueprint(self) -> dict:
        """Return the file of the blueprint in subgraphs/: a workflow with only this node."""
        alone = Graph(f"{self.name} alone", self.info)
        alone.subgraph(self, 0)
        return alone.saved()
