"""The shipped workflows in the real front end, in a real browser."""

import pytest

from sk_portrait.demo import workflow
from sk_portrait.demo.browser import FrontEnd

pytestmark = [pytest.mark.comfy, pytest.mark.browser]


@pytest.fixture(scope="module")
def page(stocked):
    """The front end. It only lists model files, so that empty ones will do where there is none."""
    for file in workflow.FOLDER.glob("*.json"):
        for model in (m for node in workflow.read(file.stem)["nodes"] for m in node["properties"].get("models", ())):
            path = stocked.base / "models" / model["directory"] / model["name"]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    with FrontEnd(stocked.url) as page:
        yield page


@pytest.mark.parametrize("name", sorted(file.stem for file in workflow.FOLDER.glob("*.json")))
def test_the_workflow_opens_and_means_what_we_run(page, stocked, name):
    saved = workflow.read(name)
    seen = page.load(saved, name)
    assert (seen["missing"], seen["errors"], seen["alerts"]) == ([], [], [])
    info = stocked.object_info()
    sent, ours = page.prompt(), workflow.to_api(saved, info)
    assert {key: node["class_type"] for key, node in sent.items()} == {key: node["class_type"] for key, node in ours.items()}
    for key, node in sent.items():
        declared = workflow.inputs_of(info[node["class_type"]])  # the front end adds values of its own, such as a video's preview
        assert {name: value for name, value in node["inputs"].items() if name in declared} == ours[key]["inputs"]
