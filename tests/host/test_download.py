"""The front end's own "Download all" leads to files that are found as they come."""

import shutil
from urllib.parse import urlsplit

import pytest

from sk_portrait.demo import models, weights, workflow
from sk_portrait.demo.browser import FrontEnd
from sk_portrait.demo.hub import Hub

pytestmark = [pytest.mark.comfy, pytest.mark.browser]

OURS = "sk_portrait"  # the folder of the files that are downloaded here
SMALL = {"size": 128, "steps": 1}


def saved_beside(folder, name: str):
    """Where a browser saves a file of this name: beside one that has it, with a number."""
    stem, dot, ending = name.rpartition(".")
    number, path = 0, folder / name
    while path.exists():
        number += 1
        path = folder / f"{stem} ({number}){dot}{ending}"
    return path


def test_what_download_all_saves_is_found_without_renaming(stocked, request):
    saved, info = workflow.read("portrait_image", workflow.TEMPLATES), stocked.object_info()
    if "MediaPipeFaceLandmarker" not in info:
        pytest.skip("this ComfyUI has no face landmarker of its own (0.23 and later have)")
    folder = stocked.base / "models" / OURS
    addresses = {name: url for (directory, name), url in workflow.models(saved).items() if directory == OURS}
    for name in addresses:
        (folder / name).unlink(missing_ok=True)  # other tests put empty ones there
    served = {urlsplit(url).path: folder / weights.stand_in("file", name) for name, url in addresses.items()}
    with Hub(served) as hub, FrontEnd(stocked.url, also=(hub.url,), settings={"Comfy.Workflow.ShowMissingModelsWarning": True}) as front:
        for node in workflow.nodes_within(saved):
            entries = [entry for entry in node["properties"].get("models", ()) if entry["directory"] == OURS]
            node["properties"]["models"] = [entry | {"url": hub.url + urlsplit(entry["url"]).path} for entry in entries]
        downloads = front.download_all(saved, len(addresses))
    assert {name for name, _ in downloads} == {"diffusion_pytorch_model.safetensors"}
    assert len(downloads) == len(addresses)
    beside = [shutil.copy(content, saved_beside(folder, name)) for name, content in downloads]
    request.addfinalizer(lambda: [path.unlink() for path in beside])

    graph = workflow.to_api(saved, info)
    assert not set(models.missing(graph, stocked.object_info())) & set(addresses)
    for node, widget, name in models.named(graph):
        if name not in addresses:
            node["inputs"][widget] = weights.stand_in(widget, name)
    for node in graph.values():
        node["inputs"].update({key: value for key, value in SMALL.items() if key in node["inputs"]})
    assert stocked.run(graph)[workflow.node_id(graph, "SaveImage")]["images"]
