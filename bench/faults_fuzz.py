"""Every node with every value that its schema allows, and random graphs: nothing but results and our own sentences comes out."""

from __future__ import annotations

import random
import tempfile
import traceback
from collections import Counter, defaultdict
from inspect import signature
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from ..face_tools import track_file
from ..face_tools.trackers import sources
from ..face_tools.trackers.faces import Face
from ..face_tools.trackers.schemes import scheme_of
from .fault import Table, is_ours, keep
from .faults_files import performance, take, track_of
from .faults_folders import folders

TABLE = Table(host=True, long=True)
EXAMPLES, GRAPHS, NODES = 60, 1000, 6  # of a node; of all; in a graph
REPEATABLE = {"deadline": None, "database": None, "derandomize": True}
WIDGETS = ("COMBO", "INT", "FLOAT", "BOOLEAN", "STRING")
KEPT = 8  # of what earlier nodes made of one type
WORDS = ("", "jawOpen*1.2", "yaw*0.5, all=0", "eyeBlink=1 @ 2-3", "sk/track", "../x", "jawOpen*1e9", "\0", "@", "päck 面")
WORDS += ("0: -0.7, 2: 0.7", "0: jaw=0\n0.1: jaw=1 yaw=15", "0: jaw=nan", "0: yaw=1e300\n1e9: jaw=1", "jawOpen yaw", "9" * 5000 + ": 1")
# What is too much for the machine has a row of its own.
SIZES, MOST_PIXELS, MOST_COUNT, MOST_ROWS = ("size", "width", "height", "plot_width", "plot_height"), 256, 4096, 64
STEPS, MOST_STEPS = ("steps", "stage1_steps"), 4


def bounds(part) -> tuple[float, float]:
    """Least and most of a number by its schema, as far as a test should go."""
    most = MOST_PIXELS if part.id in SIZES else MOST_STEPS if part.id in STEPS else MOST_COUNT if part.get_io_type() == "INT" else 1e9
    low = -most if part.min is None else part.min
    return low, max(low, most if part.max is None else min(part.max, most))


def options(part) -> list:
    return list(part.options or ()) or ["absent.npz", "../x.csv"]


def scalar(part) -> st.SearchStrategy | None:
    """Values of a widget by its schema; None where it is a wire."""
    kind = part.get_io_type()
    if kind == "COMBO":
        return st.sampled_from(options(part))
    if kind == "INT":
        low, high = bounds(part)
        return st.one_of(st.just(part.default), st.integers(low, high), st.integers(low, min(low + 12, high)))
    if kind == "FLOAT":
        return st.one_of(st.just(part.default), st.floats(*bounds(part), allow_nan=False))
    if kind == "BOOLEAN":
        return st.booleans()
    if kind == "STRING":
        return st.one_of(st.sampled_from(WORDS), st.text(max_size=30))
    return None


def wires(node) -> dict[str, tuple[str, bool]]:
    """Wired inputs of a node: name -> (type, optional)."""
    parts = node.define_schema().inputs
    return {part.id: (part.get_io_type(), bool(part.optional)) for part in parts if scalar(part) is None}


class Finds(dict[tuple, str]):
    """What fuzzing found: (node, kind, place) of an exception that is no sentence of ours -> the first call that raised it."""

    def run(self, node, values: dict[str, Any]) -> list:
        """What the host does with a node: its own check of what it may refuse, then the node. Its outputs; none where it refuses."""
        try:
            checked = signature(node.validate_inputs).parameters
            if checked.keys() <= values.keys() and node.validate_inputs(**{name: values[name] for name in checked}) is not True:
                return []
            return list(node.execute(**values).args or ())
        except Exception as error:
            if not is_ours(error):
                last = traceback.extract_tb(error.__traceback__)[-1]
                name, place = node.define_schema().node_id, f"{type(error).__name__} at {Path(last.filename).name}:{last.lineno}"
                call = ", ".join(f"{key}={brief(value)}" for key, value in values.items())
                self.setdefault((name, place), f"{name}({call}) raised {place}: {error}")
            return []

    def judge(self) -> None:
        """Raise Lost where there is a find; it lists them all."""
        keep(not self, "a sentence: " + "\n".join(self.values()))


def brief(value: Any) -> str:
    if hasattr(value, "shape"):
        return f"{type(value).__name__}{tuple(value.shape)}"
    return repr(value) if isinstance(value, str | int | float) else type(value).__name__


def fuzz_node(node, examples: int, finds: Finds) -> str | None:
    """Run a node with `examples` draws; the type that nothing here makes, where it needs one, else None."""
    from .faults_pool import pool

    needed = wires(node)
    for kind, optional in needed.values():
        if not pool(kind) and not optional:
            return kind
    strategies = {part.id: drawn for part in node.define_schema().inputs if (drawn := scalar(part)) is not None}
    for name, (kind, optional) in needed.items():
        values = st.sampled_from(pool(kind)) if pool(kind) else st.none()
        strategies[name] = st.one_of(st.none(), values) if optional else values

    @settings(max_examples=examples, phases=[Phase.generate], suppress_health_check=list(HealthCheck), **REPEATABLE)
    @given(st.fixed_dictionaries(strategies))
    def every(values):
        finds.run(node, values)

    every()
    return None


class StandIn:
    """A tracker that sees one face in every large picture, at once: the real ones have rows of their own. See `faces.Source`."""

    name, scheme, gives_coefficients, notes = "stand-in", "hello222", False, ()
    _face = Face(track_of(1, "hello222").landmarks[0], np.zeros(3, np.float32), np.float32([0, 0, -5]))
    _face.landmarks[list(scheme_of("hello222").parts[1:])] = (220, 230), (280, 230), (270, 280), (230, 280)

    def track(self, frames):
        return map(self.glance, frames)

    def glance(self, frame) -> list[Face]:
        return [self._face] if min(frame.shape[:2]) > 300 else []

    def __enter__(self):
        return self

    def __exit__(self, *exc) -> None:
        """Nothing to let go of."""


class Graph:
    """One random graph after another, over what earlier ones made."""

    def __init__(self, seed: int):
        self.random, self.made, self.ran, self.finds = random.Random(seed), defaultdict(list), Counter(), Finds()

    def value(self, part):
        from .faults_pool import pool

        strategy = scalar(part)
        if strategy is not None:
            return self.widget(part)
        if part.optional and self.random.random() < 0.4:
            return None
        kind = part.get_io_type()
        made, ready = self.made[kind], pool(kind)
        if not made and not ready:
            return None if part.optional else LookupError
        return self.random.choice(made if made and (not ready or self.random.random() < 0.6) else ready)

    def widget(self, part):
        kind = part.get_io_type()
        if kind == "COMBO":
            return self.random.choice(options(part))
        if kind == "STRING":
            return self.random.choice(WORDS)
        if kind == "BOOLEAN":
            return self.random.random() < 0.5
        if self.random.random() < 0.5:
            return min(part.default, bounds(part)[1])
        return (self.random.randint if kind == "INT" else self.random.uniform)(*bounds(part))

    def step(self, node) -> None:
        """Run one node of a graph, on what is there; nothing where a wire has no source."""
        values = {part.id: self.value(part) for part in node.define_schema().inputs}
        if LookupError in values.values():
            return
        outputs = self.finds.run(node, values)
        self.ran[node.define_schema().node_id] += bool(outputs)
        for part, output in zip(node.define_schema().outputs, outputs):
            large = hasattr(output, "__len__") and len(output) > MOST_ROWS
            if part.get_io_type() in WIDGETS or output is None or large or type(output).__name__ == "ExecutionBlocker":
                continue
            kept = self.made[part.get_io_type()]
            kept.append(output)
            del kept[:-KEPT]


def fuzz_nodes(examples: int) -> str:
    from .faults_host import nodes

    finds = Finds()
    alone = {name: fuzz_node(node, examples, finds) for name, node in nodes().items()}
    finds.judge()
    lacking = sorted(f"{name} (needs {kind})" for name, kind in alone.items() if kind)
    return f"nothing: {len(alone) - len(lacking)} of {len(alone)} nodes, {examples} draws each" + (
        f"; only in graphs: {', '.join(lacking)}" if lacking else ""
    )


def fuzz_graphs(count: int, seed: int = 0) -> str:
    from .faults_host import nodes

    graph, kinds = Graph(seed), list(nodes().values())
    for _ in range(count):
        for node in graph.random.choices(kinds, k=NODES):
            graph.step(node)
    graph.finds.judge()
    silent = sorted(name for name in nodes() if not graph.ran[name])
    keep(len(silent) < len(kinds), "every result")
    return f"nothing: {count} graphs, {sum(graph.ran.values())} nodes gave results" + (f"; never: {', '.join(silent)}" if silent else "")


def quiet(act) -> str:
    """In folders of its own with a file of each kind, a tracker that is there, and without the log of a thousand sentences."""
    tracker = mock.patch.object(sources, "open_source", lambda *_: StandIn())
    with tempfile.TemporaryDirectory() as folder, folders(Path(folder)), tracker, mock.patch("logging.Logger.handle"):
        inputs = Path(folder) / "input"
        take(inputs), performance(inputs), track_file.save(track_of(3), inputs / "track.npz")
        return act()


@TABLE.fault("every node with whatever its schema allows", r"nothing: \d+ of \d+ nodes")
def every_node(folder: Path) -> str:
    return quiet(lambda: fuzz_nodes(EXAMPLES))


@TABLE.fault("1,000 random graphs of all nodes", f"nothing: {GRAPHS} graphs")
def graphs(folder: Path) -> str:
    return quiet(lambda: fuzz_graphs(GRAPHS))
