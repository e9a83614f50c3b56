"""Workflows of the official pack's format, written here, become ours: same files and settings, and they run."""

import json
import os
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from sk_portrait.authoring import convert
from sk_portrait.host import browser, workflow
from sk_portrait.host.workflow import WorkflowError
from sk_portrait.testing import models
from sk_portrait.testing.servers import only
from sk_portrait.testing.stand_ins import checkpoint, shapes

pytestmark = pytest.mark.comfy

SMALL = {"size": 128, "steps": 1, "seconds": 0.2, "fps": 10.0, "window_length": 4, "overlap": 2}
# Folder of our model files; environment variable with a folder of clones of other packs.
OURS, PEERS = "sk_portrait", "SK_PORTRAIT_PEERS"
EXAMPLES = sorted(
    Path(os.environ.get(PEERS, "absent"), "ComfyUI_HelloMeme", "example_workflows").glob("*.json")
)
PROJ_IN = "lora_unet_down_blocks_0_attentions_0_proj_in"
LORA = {
    f"{PROJ_IN}.lora_up.weight": torch.zeros(shapes.WIDTH, 4, 1, 1),
    f"{PROJ_IN}.lora_down.weight": torch.zeros(4, shapes.WIDTH, 1, 1),
}


class Official:
    """A saved workflow of official nodes, in the front end's format."""

    def __init__(self):
        self.nodes, self.links = [], []

    def node(self, kind: str, widgets=(), **wires) -> int:
        number, inputs = len(self.nodes) + 1, []
        for name, (source, slot) in wires.items():
            self.links.append([len(self.links) + 1, source, slot, number, len(inputs), "*"])
            inputs.append({"name": name, "type": "*", "link": len(self.links)})
        widgets = widgets if isinstance(widgets, dict) else list(widgets)
        self.nodes.append(
            {
                "id": number,
                "type": kind,
                "inputs": inputs,
                "outputs": [],
                "properties": {},
                "widgets_values": widgets,
            }
        )
        return number

    def face(
        self, images: int, tools: int, crop: bool = True, expression: str = "GetExpression2"
    ) -> tuple[int, int]:
        """(head pose, expression) of a picture's face."""
        wires = {"face_toolkits": (tools, 0), "images": (images, 0)}
        landmarks = self.node("GetFaceLandmarks", **wires)
        pose = self.node("GetHeadPose", [crop], **wires, landmarks=(landmarks, 0))
        return pose, self.node(expression, **wires, landmarks=(landmarks, 0))

    def pipeline(
        self, kind: str, widgets: list, loader: list, portrait: tuple[int, int], driver: tuple[int, int]
    ) -> int:
        what = "video" if kind.endswith("Video") else "image"
        loaded = self.node(f"HM{what.capitalize()}PipelineLoader", loader)
        wires = dict(
            zip(
                ("ref_head_pose", "ref_expression", "drive_head_pose", "drive_expression"),
                ((n, 0) for n in (*portrait, *driver)),
            )
        )
        return self.node(kind, widgets, **{f"hm_{what}_pipeline": (loaded, 0)}, **wires)

    def saved(self) -> dict:
        return {"nodes": self.nodes, "links": self.links}


def picture_workflow(
    version: str = "v5",
    expression: str = "GetExpression2",
    stylize: str = "x1",
    checkpoint: str = "my_sd15.safetensors",
):
    graph = Official()
    tools = graph.node("HMFaceToolkitsLoader", [0, "huggingface"])
    portrait = graph.face(graph.node("LoadImage", ["portrait.png", "image"]), tools, True, expression)
    driver = graph.face(graph.node("LoadImage", ["driver.png", "image"]), tools, True, expression)
    loader = [checkpoint, "None", "same as checkpoint", version, stylize, "huggingface", 1, "fp32"]
    made = graph.pipeline(
        "HMPipelineImage", [0.3, "a knight", "blurry", 7, 42, "fixed", 1.2, 0], loader, portrait, driver
    )
    graph.node("SaveImage", ["knight"], images=(made, 0))
    return graph.saved()


def video_workflow():
    graph = Official()
    tools = graph.node("HMFaceToolkitsLoader", [0, "huggingface"])
    portrait = graph.face(graph.node("LoadImage", ["portrait.png", "image"]), tools, crop=False)
    clip = graph.node(
        "VHS_LoadVideo",
        {"video": "driver.mp4", "force_rate": 8, "frame_load_cap": 16, "skip_first_frames": 4},
    )
    loader = [
        "[preset]toonyou",
        "[preset]Lines",
        "[vae] my_vae.safetensors",
        "v2",
        "x1",
        "huggingface",
        0.7,
        "fp16",
    ]
    made = graph.pipeline(
        "HMPipelineVideo", [0.0, 3, "", "", 25, 7, "fixed", 1.5, 0], loader, portrait, graph.face(clip, tools)
    )
    graph.node("VHS_VideoCombine", {"frame_rate": 8, "filename_prefix": "knight"}, images=(made, 0))
    return graph.saved()


def converted(official: dict, info: dict) -> tuple[dict, list[str]]:
    saved, notes = convert.Conversion(official, info).run()
    return workflow.to_api(saved, info), notes


def test_files_and_settings_of_a_picture_stay(info):
    graph, notes = converted(picture_workflow(), info)
    assert notes == []
    assert only(graph, "CheckpointLoaderSimple")["ckpt_name"] == "my_sd15.safetensors"
    assert only(graph, "SKPortraitLoadAdapter")["file"] == "hm5_reference.safetensors"
    sampler = only(graph, "KSampler")
    assert {key: sampler[key] for key in ("steps", "seed", "cfg", "sampler_name")} == {
        "steps": 7, "seed": 42, "cfg": 1.2, "sampler_name": "dpmpp_2m_sde"
    }  # fmt: skip
    texts = [node["inputs"]["text"] for node in workflow.nodes_of(graph, "CLIPTextEncode")]
    assert texts[0].startswith("a knight, (best quality)") and texts[1] == "blurry"
    assert only(graph, "SKPortraitDrawHeadPose")["translation_ratio"] == 0.3
    assert only(graph, "SaveImage")["filename_prefix"] == "knight"


def test_files_and_settings_of_a_video_stay(info):
    graph, notes = converted(video_workflow(), info)
    driver = only(graph, "SKPortraitTrackVideo")
    assert (driver["fps"], driver["seconds"], driver["start"]) == (8.0, 2.0, 0.5)
    assert (
        only(graph, "LoadVideo")["file"] == "driver.mp4"
        and only(graph, "SaveVideo")["filename_prefix"] == "knight"
    )
    assert (
        only(graph, "SKPortraitTwoStageSampler")["overlap"] == 3
        and only(graph, "KSamplerSelect")["sampler_name"] == "euler"
    )
    assert (
        only(graph, "LoraLoader")["strength_model"] == 0.7
        and only(graph, "VAELoader")["vae_name"] == "my_vae.safetensors"
    )
    assert only(graph, "SKPortraitCropPortrait")["factor"] == convert.WHOLE
    assert len(notes) == 2 and all("is a download of the official pack" in note for note in notes)


def test_every_version_and_kind_of_expression_has_its_files(info):
    for version in ("v1", "v3", "v4", "v5c"):
        graph, _ = converted(picture_workflow(version), info)
        assert only(graph, "SKPortraitLoadAdapter")["file"].startswith(
            f"hm{version[1:]}_" if version != "v1" else "hm_"
        )
        assert ("drive" in only(graph, "SKPortraitEncodeReference")) == (version == "v5c")
    graph, _ = converted(picture_workflow("v2", "GetExpression"), info)
    assert {"patches", "clip_vision"} <= set(only(graph, "SKPortraitEncodeDrive"))
    assert only(graph, "SKPortraitLoadDriveEncoder")["file"] == "hm2_control.safetensors"


def test_what_has_no_counterpart_is_named(info):
    _, notes = converted(picture_workflow(stylize="x2"), info)
    assert notes == ["stylize = x2 (node 11) has no counterpart: left out."]
    with pytest.raises(WorkflowError, match="none of HMPipelineImage, HMPipelineVideo"):
        convert.Conversion({"nodes": [], "links": []}, info).run()


def run_small(stocked, graph: dict) -> dict:
    """The outputs of a graph with stand-ins of its weights, at a size for tests."""
    checkpoint.write_for(
        stocked.base / "models", ((OURS, name) for node, _, name in models.named(graph) if is_ours(node))
    )
    (stocked.base / "models" / "loras").mkdir(exist_ok=True)
    for node in workflow.nodes_of(graph, "LoraLoader"):
        save_file(LORA, stocked.base / "models" / "loras" / node["inputs"]["lora_name"])
    models.use_synthetic(graph)
    for node in graph.values():
        node["inputs"].update({key: value for key, value in SMALL.items() if key in node["inputs"]})
    return stocked.run(graph)


def is_ours(node: dict) -> bool:
    return node["class_type"].startswith("SKPortrait")


def test_a_converted_workflow_runs(stocked, info):
    graph, _ = converted(picture_workflow(), info)
    assert run_small(stocked, graph)[workflow.node_id(graph, "SaveImage")]["images"]


@pytest.mark.skipif(not EXAMPLES, reason=f"{PEERS} names no folder with a copy of the official pack")
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_official_example_opens_and_runs_as_ours(stocked, info, path):
    """All its pictures or its video, from the pictures and the video that it names; in the front end no node is missing."""
    official = json.loads(path.read_text(encoding="utf-8"))
    saved, _ = convert.Conversion(official, info).run()
    graph = workflow.to_api(saved, info)
    for kind, widget, stand_in in (
        ("LoadImage", "image", "portrait.png"),
        ("LoadVideo", "file", "driver.mp4"),
    ):
        for node in workflow.nodes_of(graph, kind):
            shutil.copy(stocked.base / "input" / stand_in, stocked.base / "input" / node["inputs"][widget])
    results = [
        node["type"] for node in official["nodes"] if node["type"] in ("PreviewImage", "VHS_VideoCombine")
    ]
    outputs = run_small(stocked, graph)
    made = [
        key
        for key, node in graph.items()
        if node["class_type"] in ("PreviewImage", "SaveVideo") and ":" not in key
    ]
    assert len(made) == len(results) and all(outputs[key]["images"] for key in made)
    if browser.find():
        with browser.FrontEnd(stocked.url) as page:
            assert (
                page.load(saved, path.stem)["missing"] == []
            )  # nodes; its model files are for the artist to choose
