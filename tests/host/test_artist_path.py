"""web/docs/artist_path.md, step by step, on the real server: what the page says leads to a patched MODEL."""

import pytest

from sk_portrait.host import workflow
from sk_portrait.testing.stand_ins import checkpoint

pytestmark = pytest.mark.comfy

DETECTOR, STAND_IN = "face_detection_model", "synthetic_hm5_control_{}.safetensors"
PATH = {  # node -> class, widgets, wires
    "detector": ("LoadMediaPipeFaceLandmarker", {"model_name": checkpoint.LANDMARKER}),
    "video": ("LoadVideo", {"file": "driver.mp4"}),
    "track": ("SKPortraitTrackVideo", {"video": ("video", 0), "seconds": 2.0, "fps": 10.0, "size": 128, DETECTOR: ("detector", 0)}),
    "look": ("SKPortraitPreviewTrack", {"track": ("track", 1), "images": ("track", 0)}),
    "edit": (
        "SKPortraitEditTrack",
        {"track": ("track", 1), "smooth_pose": 2.0, "smooth_expression": 0.7, "edits": "eyeBlink=0 @ 4-9"},
    ),
    "retime": ("SKPortraitRetimeTrack", {"track": ("track", 1), "first": 6, "last": 10, "ends": "ping-pong", "frames": 20}),
    "mix": ("SKPortraitMixTracks", {"track": ("retime", 0), "other": ("edit", 0), "mode": "take its expression"}),
    "smile": ("SKPortraitPresetExpression", {"preset": "smile"}),
    "smiling": (
        "SKPortraitMixTracks",
        {"track": ("mix", 0), "other": ("smile", 0), "mode": "add its expression", "strength": 0.3},
    ),
    "kept": ("SKPortraitSaveTrack", {"track": ("smiling", 0)}),
    "pose": ("SKPortraitDrawHeadPose", {"track": ("kept", 0)}),
    "encoder": ("SKPortraitLoadDriveEncoder", {"file": STAND_IN.format("base"), "projection": STAND_IN.format("proj")}),
    "drive": ("SKPortraitEncodeDrive", {"drive_encoder": ("encoder", 0), "head_pose": ("pose", 0), "track": ("kept", 0)}),
    "checkpoint": ("CheckpointLoaderSimple", {"ckpt_name": checkpoint.CHECKPOINT}),
    "apply": ("SKPortraitApply", {"model": ("checkpoint", 0), "drive": ("drive", 0)}),
    "noise": ("SKPortraitSharedNoise", {"drive": ("drive", 0)}),
    "shown": ("PreviewAny", {"source": ("kept", 1)}),
}  # fmt: skip


def test_the_artists_path_runs_as_written(stocked):
    info = stocked.object_info()
    if "LoadMediaPipeFaceLandmarker" not in info:
        pytest.skip("this ComfyUI has no face landmarker of its own (0.23 and later have)")
    graph = {}
    for name, (kind, given) in PATH.items():
        inputs = workflow.to_values({}, info[kind]) | {
            key: list(value) if isinstance(value, tuple) else value for key, value in given.items()
        }
        graph[name] = {"class_type": kind, "inputs": inputs}
    graph["text"] = {"class_type": "CLIPTextEncode", "inputs": {"clip": ["checkpoint", 1], "text": ""}}
    sampler = workflow.to_values({}, info["KSampler"]) | {
        "steps": 1,
        "model": ["apply", 0],
        "latent_image": ["noise", 0],
    }
    graph["sample"] = {
        "class_type": "KSampler",
        "inputs": sampler | {"positive": ["text", 0], "negative": ["text", 0]},
    }
    graph["decode"] = {
        "class_type": "VAEDecode",
        "inputs": {"samples": ["sample", 0], "vae": ["checkpoint", 2]},
    }
    graph["result"] = {"class_type": "PreviewImage", "inputs": {"images": ["decode", 0]}}
    outputs = stocked.run(graph)
    assert len(outputs["result"]["images"]) == 20
    assert outputs["look"]["images"] and "track" in outputs["shown"]["text"][0]
