"""Templates and blueprints are legible as they open: large enough on a laptop, and no wire runs behind a node."""

import math
import re
from collections.abc import Iterator

import pytest

from sk_portrait.authoring import graphs
from sk_portrait.authoring.layout import SLOT, TITLE
from sk_portrait.host import workflow

pytestmark = pytest.mark.comfy

SCREEN = (1366, 768)
FILL, PADDING = 0.75, 20  # the front end fits the nodes, with this padding, into this share of the canvas
TEMPLATES = sorted(make.__name__ for make in graphs.SHIPPED)
INNERS = [name for name in TEMPLATES if workflow.read(name, workflow.TEMPLATES)["definitions"]["subgraphs"]]
Point = tuple[float, float]
EDGE = 24  # pixels of a node beside which a wire may bend
LETTER = 6.0  # pixels of a letter of a folded node's title, at least


def box(node: dict) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of a saved node as it is drawn."""
    (x, y), (width, height) = node["pos"], node["size"]
    if node["flags"].get("collapsed"):
        return x, y - TITLE, x + 2 * TITLE + LETTER * len(node["title"]), y
    return x, y - TITLE, x + width, y + height


def zoom(nodes: list[dict]) -> float:
    """The scale at which the front end opens these nodes."""
    left, top, right, bottom = zip(*map(box, nodes))
    sizes = max(right) - min(left) + PADDING, max(bottom) - min(top) + PADDING
    return min(FILL * screen / size for screen, size in zip(SCREEN, sizes))


def slot(node: dict, kind: str, number: int) -> tuple[float, float]:
    """Where a wire meets a node."""
    left, top, right, bottom = box(node)
    x = left if kind == "inputs" else right
    if node["flags"].get("collapsed"):
        return x, (top + bottom) / 2
    given = node[kind][number]
    if "widget" in given:
        return x, (top + TITLE + bottom) / 2
    return x, top + TITLE + SLOT * (number + 0.7)


def curve(start: Point, end: Point, leaves: bool, arrives: bool) -> list[Point]:
    """Points of a piece of wire as LiteGraph draws it: horizontal where it leaves an output and where it meets an input."""
    reach = 0.25 * math.dist(start, end)
    first = (start[0] + reach * leaves, start[1])
    second = (end[0] - reach * arrives, end[1])
    points = []
    for k in range(41):
        t = k / 40
        shares = (1 - t) ** 3, 3 * (1 - t) ** 2 * t, 3 * (1 - t) * t**2, t**3
        points.append(
            tuple(
                sum(share * point[axis] for share, point in zip(shares, (start, first, second, end)))
                for axis in (0, 1)
            )
        )
    return points


def wires(graph: dict) -> Iterator[tuple[int, int, list[Point]]]:
    """(source, target, points) of every wire between two nodes, over its reroutes."""
    nodes = {node["id"]: node for node in graph["nodes"]}
    extra = graph.get("extra", {})
    reroutes = {one["id"]: one for one in graph.get("reroutes") or extra.get("reroutes", ())}
    parents = {one["id"]: one["parentId"] for one in extra.get("linkExtensions", ())}
    for link in graph["links"]:
        if isinstance(link, dict):
            parents[link["id"]] = link.get("parentId")
            link = [link[key] for key in ("id", "origin_id", "origin_slot", "target_id", "target_slot")]
        number, source, output, target, given, *_ = link
        if source not in nodes or target not in nodes:
            continue
        stops, last = [slot(nodes[target], "inputs", given)], parents.get(number)
        while last is not None:
            stops.insert(0, tuple(reroutes[last]["pos"]))
            last = reroutes[last].get("parentId")
        stops.insert(0, slot(nodes[source], "outputs", output))
        pieces = list(zip(stops, stops[1:]))
        points = [
            point
            for k, piece in enumerate(pieces)
            for point in curve(*piece, leaves=k == 0, arrives=k == len(pieces) - 1)
        ]
        yield source, target, points


def behind(graph: dict) -> set[tuple[str, str, str]]:
    """Titles (source, target, node) of every wire that runs behind a node: farther in than its edge."""
    nodes = {node["id"]: node for node in graph["nodes"]}
    found = set()
    for source, target, points in wires(graph):
        for number, node in nodes.items():
            left, top, right, bottom = box(node)
            if number not in (source, target) and any(
                left + EDGE < x < right - EDGE and top + EDGE / 3 < y < bottom - EDGE / 3 for x, y in points
            ):
                found.add(tuple(nodes[one]["title"] for one in (source, target, number)))
    return found


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_opens_large_enough_to_read(name):
    assert zoom(workflow.read(name, workflow.TEMPLATES)["nodes"]) >= 0.65


@pytest.mark.parametrize("name", INNERS)
def test_a_blueprint_opens_at_half_size_or_more(name):
    for inner in workflow.read(name, workflow.TEMPLATES)["definitions"]["subgraphs"]:
        assert zoom(inner["nodes"]) >= 0.5


@pytest.mark.parametrize("name", TEMPLATES)
def test_no_wire_runs_behind_a_node(name):
    saved = workflow.read(name, workflow.TEMPLATES)
    for graph in (saved, *saved["definitions"]["subgraphs"]):
        assert behind(graph) == set()


@pytest.mark.parametrize("name", TEMPLATES)
def test_no_two_nodes_overlap(name):
    saved = workflow.read(name, workflow.TEMPLATES)
    for graph in (saved, *saved["definitions"]["subgraphs"]):
        boxes = [box(node) for node in graph["nodes"]]
        for k, (left, top, right, bottom) in enumerate(boxes):
            for other in boxes[:k]:
                apart = right <= other[0] or other[2] <= left or bottom <= other[1] or other[3] <= top
                assert apart, (boxes[k], other)


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_note_is_readable_in_both_renderers(name):
    """Nodes 2.0 cannot show inline code, classic nodes make no link of a bare address."""
    saved = workflow.read(name, workflow.TEMPLATES)
    (note,) = (node for node in saved["nodes"] if node["type"] == "MarkdownNote")
    text = note["widgets_values"][0]
    assert "`" not in text and not re.search(r"(?<!\()https?://", text)
    assert note["pos"][0] == min(node["pos"][0] for node in saved["nodes"])


@pytest.mark.parametrize("name", INNERS)
def test_the_title_of_a_node_in_a_blueprint_begins_with_its_name(server, name):
    info = server.object_info()
    for inner in workflow.read(name, workflow.TEMPLATES)["definitions"]["subgraphs"]:
        for node in inner["nodes"]:
            if node["type"].startswith("SKPortrait"):
                shown = info[node["type"]]["display_name"].partition(" (")[0]
                words = {"Track Face from Landmarks": "Track Face"}.get(shown, shown)
                assert node["title"].startswith(words) or "ControlNet" in node["title"]
