"""Templates, blueprints and graphs of 0.1 in the real front end, in a real browser, queued with its own Run button."""

import pytest

from sk_portrait.host import workflow
from sk_portrait.host.browser import FrontEnd
from sk_portrait.testing import servers

pytestmark = [pytest.mark.comfy, pytest.mark.browser]


@pytest.fixture(scope="module")
def page(stocked):
    """The front end. It only lists model files, so that empty ones will do where there is none."""
    servers.list_models(stocked.base)
    with FrontEnd(stocked.url) as page:
        yield page


def known(stocked, saved: dict) -> bool:
    """Whether ComfyUI has every node of a workflow (older ones lack the face landmarker)."""
    inner = {graph["id"] for graph in saved.get("definitions", {}).get("subgraphs", ())}
    types = stocked.object_info().keys() | inner | workflow.NOTES
    return all(node["type"] in types for node in workflow.nodes_within(saved))


@pytest.mark.parametrize(
    ("folder", "name"), [(f, n) for f in (workflow.SAVED, workflow.TEMPLATES) for n in workflow.names(f)]
)
def test_a_workflow_opens_and_means_what_we_run(page, stocked, folder, name):
    """Graphs saved with 0.1, their old names of inputs among them, and the templates."""
    saved = workflow.read(name, folder)
    if not known(stocked, saved):
        pytest.skip("this ComfyUI lacks a node of the workflow")
    seen = page.load(saved, name)
    assert (seen["missing"], seen["errors"], seen["alerts"]) == ([], [], [])
    sent, ours = page.prompt(), workflow.to_api(saved, stocked.object_info())
    assert {key: node["class_type"] for key, node in sent.items()} == {
        key: node["class_type"] for key, node in ours.items()
    }
    for key, node in sent.items():
        assert {name: node["inputs"].get(name) for name in ours[key]["inputs"]} == ours[key]["inputs"]


@pytest.mark.parametrize("name", workflow.names(workflow.BLUEPRINTS))
def test_a_blueprint_opens(page, stocked, name):
    saved = workflow.read(name, workflow.BLUEPRINTS)
    if not known(stocked, saved):
        pytest.skip("this ComfyUI lacks a node of the blueprint")
    seen = page.load(saved, name)
    assert (seen["missing"], seen["errors"], len(seen["nodes"])) == ([], [], 1)


@pytest.mark.parametrize("name", ["portrait_expression"])
def test_a_template_runs_from_the_front_ends_own_button(page, stocked, name):
    saved = workflow.read(name, workflow.TEMPLATES)
    if not known(stocked, saved):
        pytest.skip("this ComfyUI lacks a node of the template")
    seen = page.load(servers.small(saved, stocked.object_info()), name)
    assert (seen["missing"], seen["errors"]) == ([], [])
    made = page.run()
    assert made["ok"] and all(output["images"] for output in made["outputs"].values())


# The camera and the 3D views hold what only a browser can show.
ONLY_IN_A_BROWSER = {"image", "audio", "viewport_state"}


def test_saved_values_are_read_where_the_front_end_writes_them(page, stocked):
    """Every node of this ComfyUI: widgets by name and place, those that a dynamic choice brings among them."""
    info = stocked.object_info()
    shown = page.page.evaluate(
        "(kinds) => Object.fromEntries(kinds.map(kind => [kind, (LiteGraph.createNode(kind).widgets ?? []).map(w => w.name)]))",
        list(info),
    )
    differing = {}
    for kind, names in shown.items():
        ours = {widget.name: widget.place for widget in workflow.saved_widgets({}, info[kind])}
        theirs = {name: place for place, name in enumerate(names) if name in ours}
        if ours != theirs and not ONLY_IN_A_BROWSER & set(names):
            differing[kind] = (ours, theirs)
    assert differing == {}
