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
    sent = {key: (node["class_type"], node["inputs"]) for key, node in page.prompt().items()}
    ours = {key: (node["class_type"], node["inputs"]) for key, node in workflow.to_api(saved, stocked.object_info()).items()}
    assert sent == ours
