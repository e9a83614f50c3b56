"""Every node with any value that its schema allows, and random graphs: only results and the pack's own errors come out."""

from __future__ import annotations

import json
from collections import defaultdict
from inspect import signature
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from sk_portrait.errors import SKPortraitError
from sk_portrait.face_tools import track_file
from sk_portrait.face_tools.trackers import sources
from sk_portrait.face_tools.trackers.faces import Face
from sk_portrait.face_tools.trackers.schemes import scheme_of
from sk_portrait.host.environment import ROOT
from sk_portrait.testing.node_values import values
from sk_portrait.testing.pack import node, nodes
from sk_portrait.testing.tracks import performance, take, track_of

pytestmark = [pytest.mark.comfy, pytest.mark.usefixtures("comfy")]
NODE_IDS = sorted(json.loads((ROOT / "locales" / "zh" / "nodeDefs.json").read_text()))
DRAWS, GRAPHS, LENGTH = 6, 40, 6  # of each node; of all; nodes in a graph
MANY_DRAWS, MANY_GRAPHS = 60, 1000
WIDGETS = ("COMBO", "INT", "FLOAT", "BOOLEAN", "STRING")
WORDS = (
    "",
    "jawOpen*1.2",
    "yaw*0.5, all=0",
    "eyeBlink=1 @ 2-3",
    "sk/track",
    "../x",
    "jawOpen*1e9",
    "\0",
    "@",
    "päck 面",
)
WORDS += (
    "0: -0.7, 2: 0.7",
    "0: jaw=0\n0.1: jaw=1 yaw=15",
    "0: jaw=nan",
    "0: yaw=1e300\n1e9: jaw=1",
    "jawOpen yaw",
    "9" * 5000 + ": 1",
)
# Limits of the machine have tests of their own.
MOST_COUNT, MOST_ROWS = 4096, 64
MOST = dict.fromkeys(("size", "width", "height", "plot_width", "plot_height"), 256) | dict.fromkeys(
    ("steps", "stage1_steps"), 4
)


def run(node: type, inputs: dict[str, Any]) -> list:
    """As ComfyUI runs a node: validation, then execution. Its outputs; none if it raises an error of ours."""
    try:
        checked = signature(node.validate_inputs).parameters
        if (
            checked.keys() <= inputs.keys()
            and node.validate_inputs(**{name: inputs[name] for name in checked}) is not True
        ):
            return []
        if node.define_schema().is_input_list:  # ComfyUI passes it a list per input
            inputs = {name: [value] for name, value in inputs.items()}
        return list(node.execute(**inputs).args or ())
    except SKPortraitError:
        return []


def number(part, make, limit: float) -> st.SearchStrategy:
    """A number within its schema, at most `limit`; often the default."""
    limit = MOST.get(part.id, limit)
    low = -limit if part.min is None else part.min
    high = max(low, limit if part.max is None else min(part.max, limit))
    return st.one_of(st.just(part.default), make(low, high), make(low, min(low + 12, high)))


def widget(part) -> st.SearchStrategy | None:
    """Values of a widget by its schema; None for a wire."""
    kind = part.get_io_type()
    if kind == "COMBO":
        return st.sampled_from(list(part.options or ()) or ["absent.npz", "../x.csv"])
    if kind == "INT":
        return number(part, st.integers, MOST_COUNT)
    if kind == "FLOAT":
        return number(part, lambda low, high: st.floats(low, high, allow_nan=False), 1e9)
    if kind == "BOOLEAN":
        return st.booleans()
    if kind == "STRING":
        return st.one_of(st.sampled_from(WORDS), st.text(max_size=30))
    return None


def wire(part, made: dict[str, list]) -> st.SearchStrategy | None:
    """Values of a wire: from `made`, the fixed ones, and nothing if it is optional; None if it has no source."""
    kind = part.get_io_type()
    ready = [st.sampled_from(found) for found in (made.get(kind), values(kind)) if found]
    if part.optional:
        ready.append(st.none())
    return st.one_of(ready) if ready else None


def inputs_of(node: type, made: dict[str, list]) -> st.SearchStrategy | None:
    """All inputs of a node; None if a wire has no source."""
    strategies = {}
    for part in node.define_schema().inputs:
        strategies[part.id] = widget(part)
        if strategies[part.id] is None:
            strategies[part.id] = wire(part, made)
    return None if any(one is None for one in strategies.values()) else st.fixed_dictionaries(strategies)


def repeatable(examples: int):
    """Settings of a run that draws the same values every time and does not shrink."""
    quick = {"deadline": None, "database": None, "suppress_health_check": list(HealthCheck)}
    return settings(max_examples=examples, derandomize=True, phases=[Phase.generate], **quick)


class StandIn:
    """A tracker (`faces.Source`) that sees one face in every large picture."""

    name, scheme, gives_coefficients, notes = "stand-in", "hello222", False, ()
    pitch_zero = 0.0
    _face = Face(track_of(1, "hello222").landmarks[0], np.zeros(3, np.float32), np.float32([0, 0, -5]))
    _face.landmarks[list(scheme_of("hello222").parts[1:])] = (220, 230), (280, 230), (270, 280), (230, 280)

    def track(self, frames):
        return map(self.glance, frames)

    def glance(self, frame) -> list[Face]:
        return [self._face] if min(frame.shape[:2]) > 300 else []

    def __enter__(self):
        return self

    def __exit__(self, *exc) -> None:
        """Nothing to close."""


@pytest.fixture(autouse=True)
def quiet(comfy, tmp_path, monkeypatch):
    """Folders of its own with a file of each kind, a tracker that is there, no log."""
    import folder_paths

    for name in ("input", "output"):
        (tmp_path / name).mkdir()
        monkeypatch.setattr(folder_paths, f"{name}_directory", str(tmp_path / name))
    inputs = tmp_path / "input"
    take(inputs), performance(inputs), track_file.save(track_of(3), inputs / "track.npz")
    monkeypatch.setattr(sources, "open_source", lambda *_: StandIn())
    monkeypatch.setattr("logging.Logger.handle", lambda *_: None)


def test_every_node_is_fuzzed():
    assert nodes().keys() == set(NODE_IDS)


@pytest.mark.parametrize("draws", [DRAWS, pytest.param(MANY_DRAWS, marks=pytest.mark.slow)])
@pytest.mark.parametrize("node_id", NODE_IDS)
def test_a_node_with_any_value_that_its_schema_allows(node_id, draws):
    inputs = inputs_of(node(node_id), {})
    if inputs is None:
        pytest.skip("an input type that only other nodes make: part of the random graphs")

    @repeatable(draws)
    @given(inputs)
    def every(drawn):
        run(node(node_id), drawn)

    every()


@pytest.mark.parametrize("graphs", [GRAPHS, pytest.param(MANY_GRAPHS, marks=pytest.mark.slow)])
def test_random_graphs(graphs):
    found = SimpleNamespace(results=0)

    @repeatable(graphs)
    @given(st.data(), st.lists(st.sampled_from(NODE_IDS), min_size=LENGTH, max_size=LENGTH))
    def every(data, chosen):
        made = defaultdict(list)
        for name in chosen:
            inputs = inputs_of(node(name), made)
            outputs = run(node(name), data.draw(inputs, name)) if inputs is not None else []
            found.results += bool(outputs)
            for part, output in zip(node(name).define_schema().outputs, outputs):
                large = hasattr(output, "__len__") and len(output) > MOST_ROWS
                if (
                    part.get_io_type() in WIDGETS
                    or output is None
                    or large
                    or type(output).__name__ == "ExecutionBlocker"
                ):
                    continue
                made[part.get_io_type()].append(output)

    every()
    assert found.results
