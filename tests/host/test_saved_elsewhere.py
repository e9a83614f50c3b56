"""Graphs saved on Windows have backslashes in file names; they run here, and all our lists take such names."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from sk_portrait.host.server import RunError
from sk_portrait.testing.servers import picture

pytestmark = pytest.mark.comfy

NETWORKS, DIRECTIONS, CONTROLNETS = "models/sk_portrait", "models/wplus_directions", "models/controlnet"
# Node -> its lists of files: input -> folder below the base directory, and ending of a file in the list.
LISTS = {
    "SKPortraitLoadAdapter": {"file": (NETWORKS, ".safetensors")},
    "SKPortraitLoadDriveEncoder": {
        "file": (NETWORKS, ".safetensors"),
        "projection": (NETWORKS, ".safetensors"),
    },
    "SKPortraitLoadMotion": {"file": (NETWORKS, ".safetensors")},
    "SKPortraitFaceMotion": {"file": (NETWORKS, ".safetensors")},
    "SKPortraitLoadWPlus": {"file": (NETWORKS, ".bin")},
    "SKPortraitWPlusDirection": {"file": (DIRECTIONS, ".pt")},
    "SKPortraitLoadXDyna": {
        "file": (NETWORKS, ".ckpt"),
        "image_tokens": (NETWORKS, ".bin"),
        "motion": (NETWORKS, ".ckpt"),
    },
    "SKPortraitLoadXDynaControl": {"file": (CONTROLNETS, ".safetensors")},
    "SKPortraitLoadFaceIDSK": {"file": (NETWORKS, ".safetensors")},
    "SKPortraitApplySKText": {"file": (NETWORKS, ".safetensors")},
    "SKPortraitFaceEmbedding": {"source": ("output", ".npy")},
    "SKPortraitImportLiveLinkFace": {"file": ("input", ".csv")},
    "SKPortraitLoadTrack": {"file": ("output", ".npz")},
}
MARK = {"output": " [output]"}  # of files that are listed from another folder than the input folder
SIDE = {"width": 224, "height": 224}  # pixels: what the encoder of Read Expression takes
PICTURE = {"class_type": "EmptyImage", "inputs": SIDE | {"batch_size": 1, "color": 0}}


@pytest.fixture(scope="module")
def nodes(stocked):
    for folder, ending in {place for lists in LISTS.values() for place in lists.values()}:
        path = stocked.base / folder / "their machine" / "faces" / f"any{ending}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"no content")
    return stocked.object_info()


def test_the_table_holds_every_list_of_files(nodes):
    found = set()
    for node in filter(lambda name: name.startswith("SKPortrait"), nodes):
        for name, (kind, *rest) in nodes[node]["input"].get("required", {}).items():
            options = kind if isinstance(kind, list) else rest[0].get("options", ())
            if any("their machine" in str(option) for option in options):
                found.add((node, name))
    assert found == {(node, name) for node, lists in LISTS.items() for name in lists}


def preset(kind: str | list, fields: dict) -> object:
    """What a widget shows on a new node; None for a link."""
    options = kind if isinstance(kind, list) else fields.get("options", ())
    return fields.get("default", next(iter(options), None))


@pytest.mark.parametrize("node", LISTS)
@pytest.mark.parametrize("separator", ["\\", "/"])
def test_every_list_takes_the_separators_of_both_systems(stocked, nodes, node, separator):
    """The file has no content, which is the node's error; a name that is not found is an error before."""
    required = nodes[node]["input"]["required"]
    inputs = {name: preset(*spec) for name, spec in required.items()}
    for name, (folder, ending) in LISTS[node].items():
        inputs[name] = separator.join(("their machine", "faces", f"any{ending}")) + MARK.get(folder, "")
    if "motion_crop" in required:
        inputs["motion_crop"] = ["picture", 0]
    graph = {"picture": PICTURE, "node": {"class_type": node, "inputs": inputs}}
    if "model" in required:
        loader = "CheckpointLoaderSimple"
        choice = {name: preset(*spec) for name, spec in nodes[loader]["input"]["required"].items()}
        graph["checkpoint"] = {"class_type": loader, "inputs": choice}
        inputs["model"] = ["checkpoint", 0]
    graph["shown"] = {"class_type": "PreviewAny", "inputs": {"source": ["node", 0]}}
    with pytest.raises(RunError) as refused:
        stocked.run(graph)
    said = str(refused.value)
    assert "any." in said and "not found" not in said and "no file" not in said


def test_a_whole_graph_from_windows_draws_the_same_picture(stocked, small_graph):
    graph = small_graph("portrait_image")
    here = picture(stocked, graph)
    networks = stocked.base / NETWORKS
    for node in (node for node in graph.values() if node["class_type"].startswith("SKPortrait")):
        for name, value in node["inputs"].items():
            if str(value).endswith(".safetensors"):
                (networks / "theirs" / "v5").mkdir(parents=True, exist_ok=True)
                shutil.copy(networks / value, networks / "theirs" / "v5" / value)
                node["inputs"][name] = f"theirs\\v5\\{value}"
    assert np.array_equal(picture(stocked, graph), here)
