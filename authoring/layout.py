"""Computes the positions of the nodes of a saved graph, and the routes of its wires around them.

Nodes are in columns from left to right, in one band or in several bands below each other. A
wire to the next column is not routed. Every other wire leaves its column, runs in a lane above
the band of its target (within a column: in the gap above its target), and comes down to the
left of the target. So no wire runs behind a node.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ..host.workflow import INPUTS, OUTPUTS

GAP_X, GAP_Y = 60, 34
# Pixels, as in Nodes 2.0, whose nodes are taller than the classic ones.
TITLE, SLOT, ROW, BADGE = 30, 21, 28, 30
LETTER, FOLDED = 7.2, 62  # width of a folded node: per letter of its title, and in addition
LANE = 8  # between two lanes
CLEAR = 64  # between the lowest lane and the nodes: room for a group's title
STEP = 6  # between wires that go up or down in the same gap
MARGIN = 16  # between a column and the nearest vertical wire


@dataclass
class Box:
    """One node as it will be saved.

    column: its column; tall: pixels of height besides its slots and widgets
    """

    id: int
    type: str
    title: str
    column: int
    tall: int
    inputs: list[dict]
    outputs: list[dict]
    widgets: list
    properties: dict
    wide: int = 240
    folded: bool = False
    places: dict[str, int] = field(default_factory=dict)  # name of a widget -> its index in `widgets`
    mode: int = 0
    pos: list[int] = field(default_factory=lambda: [0, 0])

    @property
    def size(self) -> list[int]:
        """Return the width and height of the open node, without its title."""
        shown = sum("widget" in entry for entry in self.inputs)
        slots = max(len(self.inputs) - shown, len(self.outputs))
        badge = BADGE if self.type.startswith("SKPortrait") else 10
        return [self.wide, SLOT * slots + ROW * shown + badge + self.tall]

    @property
    def width(self) -> int:
        """Return the drawn width of the node."""
        return round(FOLDED + LETTER * len(self.title)) if self.folded else self.wide

    @property
    def bottom(self) -> int:
        return self.pos[1] + (0 if self.folded else self.size[1])

    @property
    def area(self) -> tuple[int, int, int, int]:
        """Return left, top, right and bottom of the drawn node with its title."""
        return self.pos[0], self.pos[1] - TITLE, self.pos[0] + self.width, self.bottom


@dataclass(frozen=True)
class Place:
    """A column: its band, its index in the band, and the x of its left and right sides."""

    band: int
    index: int
    left: int
    right: int


@dataclass
class Layout:
    """Positions of the reroutes of a graph.

    reroutes: id -> (x, y); parents: link -> its last reroute; before: reroute -> the previous one
    """

    reroutes: dict[int, tuple[int, int]] = field(default_factory=dict)
    parents: dict[int, int] = field(default_factory=dict)
    before: dict[int, int] = field(default_factory=dict)
    # Right side of the last column, and top of its band: the place of the outputs.
    end: tuple[int, int] = (0, 0)

    def saved(self, links: Iterable[list]) -> list[dict]:
        """Return the reroutes in the front end's format."""
        used = defaultdict(list)
        for link, *_ in links:
            number = self.parents.get(link)
            while number is not None:
                used[number].append(link)
                number = self.before.get(number)
        return [
            {"id": number, "pos": list(pos), "linkIds": used[number]}
            | ({"parentId": self.before[number]} if number in self.before else {})
            for number, pos in self.reroutes.items()
        ]


def arranged(boxes: Mapping[int, Box], links: list[list], bands: tuple[int, ...], gap: int = GAP_X) -> Layout:
    """Set the positions of the boxes, and route the wires that do not go to the next column.

    bands: the first column of each band; gap: pixels between two columns
    """
    columns = {box.id: _band(box.column, bands) for box in boxes.values()}
    order = {
        band: sorted({box.column for box in boxes.values() if columns[box.id] == band})
        for band in range(len(bands))
    }
    seats = {box.id: (columns[box.id], order[columns[box.id]].index(box.column)) for box in boxes.values()}
    last = max(order)
    seats |= {INPUTS: (0, -1), OUTPUTS: (last, len(order[last]))}
    routed = [link for link in links if not _adjacent(seats[link[1]], seats[link[3]])]
    trunks = {band: _trunks(routed, seats, band) for band in order}
    places, tops = _place(boxes, order, seats, {band: len(found) for band, found in trunks.items()}, gap)
    return _lay(boxes, routed, seats, places, tops, trunks, gap)


def _band(column: int, bands: tuple[int, ...]) -> int:
    return max(band for band, first in enumerate(bands) if column >= first)


def _adjacent(source: tuple[int, int], target: tuple[int, int]) -> bool:
    return source[0] == target[0] and source[1] + 1 == target[1]


def _trunks(routed: list[list], seats: dict, band: int) -> dict[tuple[int, int], int]:
    """Return the lane of each output whose wires run above a band."""
    outputs = dict.fromkeys(
        (link[1], link[2])
        for link in routed
        if seats[link[3]][0] == band and seats[link[1]] != seats[link[3]]
    )
    return {output: lane for lane, output in enumerate(outputs)}


def _place(boxes, order, seats, lanes, gap) -> tuple[dict[tuple[int, int], Place], dict[int, int]]:
    """Set the position of every box. Returns the columns, and the top of each band."""
    places, tops, top = {}, {}, 0
    for band, columns in order.items():
        above = CLEAR + LANE * lanes[band] if lanes[band] or band else 0
        tops[band] = top = top + above if band else 0
        x, lowest = 0, top
        for index in range(len(columns)):
            members = [box for box in boxes.values() if seats[box.id] == (band, index)]
            y, right = top, x
            for box in members:
                box.pos = [x, y]
                y = box.bottom + TITLE + GAP_Y
                right, lowest = max(right, x + box.width), max(lowest, box.bottom)
            places[band, index] = Place(band, index, x, right)
            x = right + gap
        top = lowest + TITLE
    return places, tops


def _lay(boxes, routed, seats, places, tops, trunks, gap) -> Layout:
    """Route each of these wires with two reroutes: one where it leaves its source, one before its target."""
    last = max(places)
    layout = Layout(end=(places[last].right, tops[last[0]]))
    legs: dict[tuple, int] = defaultdict(int)  # number of wires that go up or down in each gap
    made: dict[tuple, int] = {}

    def reroute(key: tuple, x: int, y: int, before: int | None = None) -> int:
        if key not in made:
            number = made[key] = len(made) + 1
            layout.reroutes[number] = (x, y)
            if before is not None:
                layout.before[number] = before
        return made[key]

    def beside(seat: tuple[int, int], side: str, key: tuple) -> int:
        """Return the x of a wire that goes up or down beside a column."""
        if key not in legs:
            legs[seat, side] += 1
            legs[key] = legs[seat, side] - 1
        shift = MARGIN + (STEP * legs[key]) % (gap - 2 * MARGIN)
        if seat not in places:  # an end of a subgraph
            return -gap - shift if seat[1] < 0 else layout.end[0] + gap
        return places[seat].right + shift if side == "right" else places[seat].left - shift

    for link, source, slot, target, *_ in routed:
        start, end = seats[source], seats[target]
        if start == end:
            lane, y = target, boxes[target].area[1] - GAP_Y // 2
        else:
            lane, y = end[0], tops[end[0]] - CLEAR - LANE * trunks[end[0]][source, slot]
        leaving, arriving = (source, slot, "from", lane), (source, slot, "to", lane, end)
        first = reroute(leaving, beside(start, "right", leaving), y)
        layout.parents[link] = reroute(arriving, beside(end, "left", arriving), y, first)
    return layout
