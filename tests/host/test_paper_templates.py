"""The templates of the paper's appendix on the real server, with toy weights: what the bench exports, what `train` writes."""

import shutil

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from sk_portrait.bench.paper import export
from sk_portrait.bench.paper.arms import ARMS, with_places
from sk_portrait.bench.paper.runs import WEIGHTS
from sk_portrait.demo.toy_model import World
from sk_portrait.drawn_heads import Identity, State, draw
from sk_portrait.host import workflow
from sk_portrait.testing import models
from sk_portrait.train import command

SIZE = 128  # pixels of a side, as in the toy model's training
KEPT = {
    "controlnet_sk": {"SKPortraitLoadAdapter": {"file": "world_controlnet_sk_canny.safetensors"}},
    "faceid_sk": {
        "SKPortraitLoadFaceIDSK": {"file": "world_ipadapter_sk_faceid.safetensors"},
        "SKPortraitFaceEmbedding": {"source": export.EMBEDDING},
    },
    "sk_text": {"SKPortraitApplySKText": {"file": "sk_text.safetensors"}},
}
COMMON = {
    "CheckpointLoaderSimple": {"ckpt_name": export.CHECKPOINT},
    "ModelSamplingDiscrete": {"sampling": "v_prediction"},
    "KSampler": {"steps": 2, "cfg": 1.5},
    "ImageScale": {"width": SIZE, "height": SIZE},
    "EmptyLatentImage": {"width": SIZE, "height": SIZE},
}
APPLY = {
    "controlnet_sk": "SKPortraitApplyControlNetSK",
    "faceid_sk": "SKPortraitApplyFaceIDSK",
    "sk_text": "SKPortraitApplySKText",
}


@pytest.fixture(scope="module")
def toy(stocked, tmp_path_factory):
    """The server, with the exported files of arms whose last layers are noise, and an SK text attention of one step."""
    folder, world = tmp_path_factory.mktemp("paper"), World()
    unet = with_places(world.unet)
    for kind in export.KINDS:
        torch.manual_seed(0)
        group, name = kind.place.split("/")
        learned = ARMS[group][name](unet, None).learned
        for path, module in learned.named_modules():
            if path.endswith("proj"):
                nn.init.normal_(module.weight, std=0.05)
        target = folder / kind.place / "0" / WEIGHTS
        target.parent.mkdir(parents=True)
        torch.save(learned.state_dict(), target)
    checkpoint, *_ = export.write(stocked.base, folder, unet, world)
    shutil.copy(trained(checkpoint, folder), stocked.base / "models" / "sk_portrait")
    return stocked


def trained(checkpoint, folder):
    """Train the SK text attention for one step."""
    pictures = folder / "pictures"
    pictures.mkdir()
    cv2.imwrite(str(pictures / "0.png"), draw(Identity.of(0), State(), SIZE)[..., ::-1])
    words = ["sk-text", "--pictures", pictures, "--base", checkpoint, "--out", folder, "--size", SIZE]
    words += ["--steps", 1, "--batch", 1, "--precision", "no", "--sheet", 0, "--target", "v"]
    assert command.main([str(word) for word in words]) == 0
    return folder / "sk_text.safetensors"


def drawn(toy, name: str, strength: float) -> np.ndarray:
    info = toy.object_info()
    graph = workflow.to_api(workflow.read(name, workflow.TEMPLATES), info)
    for node in graph.values():
        changes = (COMMON | KEPT[name]).get(node["class_type"], {})
        node["inputs"].update(
            {key: value for key, value in changes.items() if not isinstance(node["inputs"][key], list)}
        )
    graph[workflow.node_id(graph, APPLY[name])]["inputs"]["strength"] = strength
    if name == "faceid_sk":  # its face is not looked for: the embedding is a saved one
        loader = graph[workflow.node_id(graph, "LoadMediaPipeFaceLandmarker")]["inputs"]
        loader["model_name"] = workflow.choices(
            info["LoadMediaPipeFaceLandmarker"]["input"]["required"]["model_name"]
        )[0]
    (file,) = toy.run(graph)[workflow.node_id(graph, "SaveImage")]["images"]
    return np.asarray(Image.open(toy.path(file))).astype(float)


@pytest.mark.usefixtures("info")
@pytest.mark.parametrize("name", KEPT)
def test_toy_weights_change_the_picture_of_the_template(toy, name):
    off, on = drawn(toy, name, 0.0), drawn(toy, name, 1.0)
    assert off.shape == on.shape == (SIZE, SIZE, 3)
    assert off.std() > 5 and on.std() > 5, "a picture, not the black one of values that are not finite"
    assert np.abs(on - off).mean() > 0.5, (
        "of 255; without the network the picture is the same, bit-identically"
    )


@pytest.mark.usefixtures("info")
def test_a_face_embedding_is_read_from_the_picture(stocked):
    """With a stand-in for ArcFace: the face is found, aligned and read, which a saved embedding makes superfluous."""
    pytest.importorskip("onnxruntime")
    onnx_faces = pytest.importorskip("sk_portrait.testing.stand_ins.onnx_faces")
    folder = stocked.base / "models" / "insightface"
    folder.mkdir(exist_ok=True)
    onnx_faces.embedding(folder / "w600k_r50.onnx")
    graph = workflow.to_api(workflow.read("faceid_sk", workflow.TEMPLATES), stocked.object_info())
    models.use_synthetic(graph)
    embedding = workflow.node_id(graph, "SKPortraitFaceEmbedding")
    graph[embedding]["inputs"]["save_as"] = "person"
    shown = {"class_type": "PreviewAny", "inputs": {"source": [embedding, 1]}, "_meta": {"title": "path"}}
    graph = {key: graph[key] for key in needed(graph, embedding)} | {"path": shown}
    stocked.run(graph)
    (saved,) = (stocked.base / "output").glob("person*.npy")
    assert np.load(saved).shape == (1, 512)


def needed(graph: dict, key: str) -> set[str]:
    """A node and all nodes before it."""
    sources = {str(value[0]) for value in graph[key]["inputs"].values() if isinstance(value, list)}
    return {key}.union(*(needed(graph, source) for source in sources))
