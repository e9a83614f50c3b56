"""Saved presets on the real server and in the real front end: listed at once, after a restart, and as pictures."""

import json

import pytest

from sk_portrait.authoring.graph_writer import Graph
from sk_portrait.host import installation
from sk_portrait.host.browser import FrontEnd
from sk_portrait.host.server import RunError, Server

pytestmark = pytest.mark.comfy

PRESET, EDITOR, NAME = "SKPortraitPresetExpression", "SKPortraitExpressionEditor", "my grin"
HEAD = {"person": 11, "size": 128, "pitch": 0.0, "yaw": 10.0, "roll": 0.0, "blink": 0.0, "jaw_open": 0.4, "smile": 0.8,
        "pucker": 0.0, "brows": 0.0, "gaze_x": 0.0, "gaze_y": 0.0}  # fmt: skip


def saving(name: str) -> dict:
    return {
        "head": {"class_type": "SKPortraitDrawnHead", "inputs": HEAD},
        "save": {"class_type": "SKPortraitSavePreset", "inputs": {"track": ["head", 1], "name": name, "frame": 0, "images": ["head", 0]}},
    }  # fmt: skip


def using(name: str) -> dict:
    return {
        "preset": {"class_type": PRESET, "inputs": {"preset": name, "strength": 1.0}},
        "seen": {
            "class_type": "SKPortraitPreviewTrack",
            "inputs": {"track": ["preset", 0], "curves": "", "plot_width": 256, "plot_height": 128},
        },
    }


def offered(server, node: str) -> list[str]:
    kind, options = server.get(f"/object_info/{node}")[node]["input"][
        "required" if node == PRESET else "optional"
    ]["preset"]
    return options["options"] if kind == "COMBO" else kind


@pytest.fixture(scope="module")
def saved(server):
    """The server with one saved preset."""
    server.run(saving(NAME))
    return server


def test_a_saved_preset_is_in_both_lists_at_once_and_runs(saved):
    assert offered(saved, PRESET)[-1] == offered(saved, EDITOR)[-1] == NAME
    assert saved.run(using(NAME))["seen"]["images"]
    file = json.loads(saved._open(f"/userdata/sk_portrait_presets%2F{NAME.replace(' ', '%20')}.json"))
    assert file["coefficients"]["jawOpen"] == pytest.approx(0.4) and file["picture"].startswith(
        "data:image/jpeg"
    )


@pytest.mark.parametrize("name", ["../../input/x", "a/b"])
def test_a_name_with_path_characters_is_refused(saved, name):
    with pytest.raises(RunError, match="cannot name a preset"):
        saved.run(saving(name))
    with pytest.raises(RunError, match="cannot name a preset"):
        saved.run(using(name))
    assert [path.name for path in saved.base.rglob("*.json") if path.stem == "x" or path.stem == "b"] == []


@pytest.mark.long
def test_a_saved_preset_survives_a_restart(saved):
    with Server(installation.find(), saved.base) as again:
        assert offered(again, PRESET)[-1] == NAME
        assert again.run(using(NAME))["seen"]["images"]


@pytest.mark.browser
@pytest.mark.parametrize("node", [PRESET, EDITOR])
def test_presets_are_chosen_by_their_pictures(saved, node):
    graph = Graph("presets", saved.object_info())
    head = graph.node("SKPortraitDrawnHead", "Portrait", 0, size=128)
    graph.node(node, "Preset", 1, **({} if node == PRESET else {"portrait": head[0], "track": head[1]}))
    with FrontEnd(saved.url) as front:
        own = list(front.console_errors)
        assert not own or "MediaPipeFaceLandmarker" not in saved.object_info()  # 0.3.64 has one as it starts
        front.load(graph.saved(), "presets")
        find = f"const node = window.app.graph._nodes.find(n => n.type === '{node}');"
        front.page.evaluate(f"() => {{ {find} node.widgets.at(-1).callback(); }}")
        cells = front.page.locator("dialog.sk-portrait-presets button")
        loaded = "() => [...document.querySelectorAll('dialog img')].filter(i => i.naturalWidth).map(i => i.parentNode.dataset.preset)"
        names = [name for name in offered(saved, node) if name != "none"]
        front.page.wait_for_function(f"count => ({loaded})().length === count", arg=len(names))
        assert front.page.evaluate(loaded) == names
        cells.filter(has_text=NAME).click()
        assert (
            front.page.evaluate(
                f"() => {{ {find} return node.widgets.find(w => w.name === 'preset').value; }}"
            )
            == NAME
        )
        assert front.page.locator("dialog.sk-portrait-presets").count() == 0
        assert front.console_errors == own
