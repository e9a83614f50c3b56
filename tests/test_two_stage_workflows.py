"""The shipped video workflows run on the real server, from a real face video to a saved one, on small random weights."""

from __future__ import annotations

import shutil

import pytest
import torch
from safetensors.torch import save_file

from sk_portrait.bench.golden import find_part
from sk_portrait.demo import clips, shapes, weights, workflow
from sk_portrait.face_tools.video import frames as read_frames
from sk_portrait.sk_attention.drive import PROJECTION_MAPS
from sk_portrait.sk_attention.parts import ANIMATEDIFF, DRIVE, MOTION, PROJECTION, REFERENCE

pytestmark = pytest.mark.comfy

FRAMES, SIZE = 5, 128
LEVELS = (shapes.WIDTH,) * 4  # of the synthetic checkpoint
BASE = {320: 32, 640: 64, 1280: 128}  # published width of the v5 base encoder -> ours
PROJECTIONS = {name: (BASE[int(name.removeprefix("map").split("_")[0])], LEVELS[0], LEVELS[0] // 4) for name in PROJECTION_MAPS}

# File name in the workflows -> (kind, generation, sizes).
FILES = {
    "hm2_animatediff_frame12": (ANIMATEDIFF, "v2", {"down": LEVELS, "up": LEVELS}),
    "hm5_reference": (REFERENCE, "v5", {"up": LEVELS}),
    "hm5_control_base": (DRIVE, "v5", {"widths": tuple(BASE.values()), "out": BASE[320], "context_dim": 64}),
    "hm5_control_proj": (PROJECTION, "v5", {"widths": PROJECTIONS}),
    "hm5_motion": (MOTION, "v5", {"down": LEVELS, "up": LEVELS}),
}
STAND_INS = {
    "v1-5-pruned-emaonly-fp16.safetensors": weights.CHECKPOINT,
    "CLIP-ViT-H-14-laion2B-s32B-b79K.safetensors": weights.CLIP_VISION,
    "hm2_reference.safetensors": weights.ADAPTER,
    "hm2_control.safetensors": weights.DRIVE_ENCODER,
}


@pytest.fixture(scope="module")
def folder(server):
    """The server's own folder, with a portrait, a driving video and random weights under the published names."""
    weights.write_all(server.base / "models")
    torch.manual_seed(0)
    for name, (kind, generation, sizes) in FILES.items():
        network = find_part(kind, generation).build(sizes)
        state = {key: value.half() for key, value in network.state_dict().items()}
        save_file(state, server.base / "models" / "sk_portrait" / f"{name}.safetensors")
    (server.base / "input").mkdir(exist_ok=True)
    shutil.copy(clips.portrait(), server.base / "input" / "portrait.png")
    shutil.copy(clips.driver(), server.base / "input" / "driver.mp4")
    return server.base


def graph_of(server, name: str) -> dict:
    """A shipped workflow at a size for tests."""
    graph = workflow.to_api(workflow.read(name), server.object_info())
    smaller = {"size": SIZE, "length": FRAMES, "steps": 1, "window_length": 4, "overlap": 2}
    for node in graph.values():
        inputs = node["inputs"]
        inputs.update({widget: value for widget, value in smaller.items() if widget in inputs})
        inputs.update({widget: STAND_INS[value] for widget, value in inputs.items() if isinstance(value, str) and value in STAND_INS})
    return graph


@pytest.mark.parametrize(("name", "videos"), [("portrait_video_two_stage", 2), ("portrait_video_keyframes", 1)])
def test_a_shipped_workflow_saves_its_video(server, folder, name, videos):
    graph = graph_of(server, name)
    outputs = server.run(graph)
    saved = [outputs[key]["images"][0] for key, node in graph.items() if node["class_type"] == "SaveVideo"]
    assert len(saved) == videos
    for file in saved:
        pictures = list(read_frames(server.path(file)))
        assert len(pictures) == FRAMES and pictures[0].shape == (SIZE, SIZE, 3)
        assert max(picture.std() for picture in pictures) > 1
