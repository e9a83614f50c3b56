"""Earlier releases hold: node ids, inputs, outputs, values and graphs. releases.json was written by the code of those releases."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sk_portrait.testing.pack import node

pytestmark = pytest.mark.comfy

RELEASES = json.loads((Path(__file__).parent / "releases.json").read_text(encoding="utf-8"))
NODES = RELEASES["0.2.0"]["nodes"]
FILES = {"file", "projection", "image_tokens", "motion"}  # lists of what lies in the folders
GRAPHS = {
    (release, name): graph for release, kept in RELEASES.items() for name, graph in kept["graphs"].items()
}


def inputs_of(name: str, kind: str) -> dict[str, tuple[str, dict]]:
    """Input -> type and options, as GET /object_info gives them."""
    given = node(name).GET_NODE_INFO_V1()["input"].get(kind, {})
    return {key: (spec[0], spec[1] if len(spec) > 1 else {}) for key, spec in given.items()}


def taken(name: str, key: str, value) -> bool:
    """Whether a choice that is no longer offered still runs."""
    check = getattr(node(name), "validate_inputs", None)
    return check is not None and check(**{key: value}) is True


@pytest.mark.parametrize("name", NODES)
def test_a_node_of_0_2_keeps_its_inputs_and_outputs(comfy, name):
    before = NODES[name]
    required, optional = inputs_of(name, "required"), inputs_of(name, "optional")
    assert list(required) == list(before["required"]), "a saved graph holds widget values by place"
    assert list(optional)[: len(before["optional"])] == list(before["optional"])
    for key, (kind, *rest) in (before["required"] | before["optional"]).items():
        today, options = (required | optional)[key]
        assert today == kind
        if kind == "COMBO":
            choices, default = rest
            assert all(value in options["options"] or taken(name, key, value) for value in choices)
            assert not choices or options.get("default") == default
        else:
            assert options.get("default") == (rest[0] if rest else None)
    outputs = list(node(name).GET_NODE_INFO_V1()["output"])
    kinds = [kind for kind, _ in before["outputs"]]  # links go by place; names are free
    assert outputs[: len(kinds)] == kinds


@pytest.mark.parametrize("release, graph", GRAPHS, ids=map(" ".join, GRAPHS))
def test_a_graph_in_api_format_still_fits(comfy, release, graph):
    from sk_portrait.nodes.schema import OLD_NAMES

    for saved in GRAPHS[release, graph].values():
        name, given = saved["class_type"], saved["inputs"]
        required, optional = inputs_of(name, "required"), inputs_of(name, "optional")
        old = OLD_NAMES.get(name, set())
        assert required.keys() <= given.keys()
        assert given.keys() <= required.keys() | optional.keys() | old
        for key, (kind, options) in (required | optional).items():
            if kind == "COMBO" and key in given and key not in FILES:
                assert given[key] in options["options"] or taken(name, key, given[key])


@pytest.mark.parametrize(
    "name, key",
    [
        ("SKPortraitTwoStageSampler", "method"),
        ("SKPortraitApplyInversion", "maps_of"),
        ("SKPortraitApplyInversion", "guidance"),
        ("SKPortraitInvertFrames", "timestep"),
        ("SKPortraitXDynaApply", "group_norm"),
        ("SKPortraitApplyWPlus", "sign_mode"),
    ],
)
def test_research_switches_are_under_advanced(comfy, name, key):
    from sk_portrait.nodes.schema import RARE

    assert inputs_of(name, "required")[key][1].get("advanced", False) is bool(RARE)
