"""Graphs that were saved on Windows, with backslashes in file names, run on this system, and every list of ours takes such names."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from PIL import Image

from sk_portrait.host import workflow
from sk_portrait.host.server import RunError

pytestmark = pytest.mark.comfy

NETWORKS, DIRECTIONS, CONTROLNETS = "models/sk_portrait", "models/wplus_directions", "models/controlnet"
# Node -> its lists of files: input -> folder below the base directory, and the ending of a file that the list shows.
LISTS = {
    "SKPortraitLoadAdapter": {"file": (NETWORKS, ".safetensors")},
    "SKPortraitLoadDriveEncoder": {"file": (NETWORKS, ".safetensors"), "projection": (NETWORKS, ".safetensors")},
    "SKPortraitLoadMotion": {"file": (NETWORKS, ".safetensors")},
    "SKPortraitFaceMotion": {"file": (NETWORKS, ".safetensors")},
    "SKPortraitLoadWPlus": {"file": (NETWORKS, ".bin")},
    "SKPortraitWPlusDirection": {"file": (DIRECTIONS, ".pt")},
    "SKPortraitLoadXDyna": {"file": (NETWORKS, ".ckpt"), "image_tokens": (NETWORKS, ".bin"), "motion": (NETWORKS, ".ckpt")},
    "SKPortraitLoadXDynaControl": {"file": (CONTROLNETS, ".safetensors")},
    "SKPortraitImportLiveLinkFace": {"file": ("input", ".csv")},
    "SKPortraitLoadTrack": {"file": ("output", ".npz")},
}
MARK = {"output": " [output]"}  # of files that are listed from another folder than the input folder
PICTURE = {"class_type": "EmptyImage", "inputs": {"width": 64, "height": 64, "batch_size": 1, "color": 0}}


@pytest.fixture(scope="module")
def nodes(stocked):
    for folder, ending in {place for lists in LISTS.values() for place in lists.values()}:
        path = stocked.base / folder / "their machine" / "faces" / f"any{ending}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"no content")
    return stocked.object_info()


def test_the_table_holds_every_list_of_files(nodes):
    found = {}
    for node, info in nodes.items():
        for name, (kind, *rest) in info["input"].get("required", {}).items() if node.startswith("SKPortrait") else ():
            options = kind if isinstance(kind, list) else (rest[0] if rest else {}).get("options", ())
            if any("their machine" in str(option) for option in options):
                found.setdefault(node, set()).add(name)
    assert found == {node: set(lists) for node, lists in LISTS.items()}


@pytest.mark.parametrize("node", LISTS)
@pytest.mark.parametrize("separator", ["\\", "/"])
def test_every_list_takes_the_separators_of_both_systems(stocked, nodes, node, separator):
    """The file has no content, which is what the node then complains about; a name that is not found would be refused before."""
    defaults = {name: spec[1].get("default") for name, spec in nodes[node]["input"]["required"].items() if len(spec) > 1}
    inputs = {name: value for name, value in defaults.items() if value is not None}
    for name, (folder, ending) in LISTS[node].items():
        inputs[name] = separator.join(("their machine", "faces", f"any{ending}")) + MARK.get(folder, "")
    if "motion_crop" in nodes[node]["input"]["required"]:
        inputs["motion_crop"] = ["picture", 0]
    graph = {"picture": PICTURE, "node": {"class_type": node, "inputs": inputs}}
    graph["shown"] = {"class_type": "PreviewAny", "inputs": {"source": ["node", 0]}}
    with pytest.raises(RunError) as refused:
        stocked.run(graph)
    assert "any." in str(refused.value) and "not found" not in str(refused.value) and "no file" not in str(refused.value)


def test_a_whole_graph_from_windows_draws_the_same_picture(stocked, small_graph):
    def picture(graph: dict) -> np.ndarray:
        (file,) = stocked.run(graph)[workflow.node_id(graph, "SaveImage")]["images"]
        return np.asarray(Image.open(stocked.path(file)))

    graph = small_graph("portrait_image")
    here = picture(graph)
    networks = stocked.base / NETWORKS
    for node in graph.values():
        for name, value in node["inputs"].items():
            if node["class_type"].startswith("SKPortrait") and isinstance(value, str) and value.endswith(".safetensors"):
                (networks / "theirs" / "v5").mkdir(parents=True, exist_ok=True)
                shutil.copy(networks / value, networks / "theirs" / "v5" / value)
                node["inputs"][name] = f"theirs\\v5\\{value}"
    assert np.array_equal(picture(graph), here)
