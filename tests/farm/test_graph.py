"""What of a workflow each worker runs itself, and what is kept of a clip: without Ray and without ComfyUI."""

import errno
from pathlib import Path

import pytest
import torch

from sk_portrait.face_tools.atomic_write import FileError
from sk_portrait.farm import graph, wire
from sk_portrait.farm.graph import SAMPLER
from sk_portrait.farm.store import Store
from sk_portrait.host.workflow import WorkflowError
from sk_portrait.sk_attention.drive import Drive

OUTPUTS = {
    "CheckpointLoaderSimple": ["MODEL", "CLIP", "VAE"],
    "CLIPTextEncode": ["CONDITIONING"],
    "ControlNetApply": ["CONDITIONING"],
    "ControlNetLoader": ["CONTROL_NET"],
    "LoadImage": ["IMAGE", "MASK"],
    "SKPortraitEncodeDrive": ["SK_DRIVE"],
    "SKPortraitApply": ["MODEL"],
    "CFGGuider": ["GUIDER"],
    SAMPLER: ["LATENT", "LATENT"],
    "VAEDecode": ["IMAGE"],
    "CreateVideo": ["VIDEO"],
    "SaveVideo": [],
}
INFO = {kind: {"output": outputs} for kind, outputs in OUTPUTS.items()}
CHAIN = {SAMPLER: "VAEDecode", "VAEDecode": "CreateVideo", "CreateVideo": "SaveVideo"}


def workflow() -> dict:
    nodes = {
        "sd15": ("CheckpointLoaderSimple", {"ckpt_name": "sd15.safetensors"}),
        "prompt": ("CLIPTextEncode", {"text": "portrait", "clip": ["sd15", 1]}),
        "picture": ("LoadImage", {"image": "pose.png"}),
        "net": ("ControlNetLoader", {"control_net_name": "pose.safetensors"}),
        "controlled": (
            "ControlNetApply",
            {"conditioning": ["prompt", 0], "control_net": ["net", 0], "image": ["picture", 0]},
        ),
        "drive": ("SKPortraitEncodeDrive", {"head_pose": ["picture", 0]}),
        "model": ("SKPortraitApply", {"model": ["sd15", 0], "drive": ["drive", 0]}),
        "guider": (
            "CFGGuider",
            {"model": ["model", 0], "positive": ["controlled", 0], "negative": ["prompt", 0]},
        ),
        "clip": (SAMPLER, {"guider": ["guider", 0], "window_length": 12}),
        "decode": ("VAEDecode", {"samples": ["clip", 0], "vae": ["sd15", 2]}),
        "video": ("CreateVideo", {"images": ["decode", 0], "fps": 25.0}),
        "save": ("SaveVideo", {"video": ["video", 0]}),
    }
    return {name: {"class_type": kind, "inputs": inputs} for name, (kind, inputs) in nodes.items()}


def test_a_worker_loads_networks_itself_and_is_handed_what_was_encoded():
    local, handed = graph.cut(workflow(), INFO, {"guider": ["guider", 0]})
    assert set(handed.values()) == {
        ("drive", 0),
        ("prompt", 0),
        ("picture", 0),
    }  # a prompt with a ControlNet holds a network
    assert set(local) - set(handed) == {"guider", "model", "sd15", "controlled", "net"}
    assert local["model"]["inputs"]["drive"] == ["given drive 0", 0]


def test_a_graph_has_one_sampler():
    with pytest.raises(WorkflowError, match="one Portrait Video Sampler; this one has 0"):
        graph.sampler_of({})


def test_only_a_plain_end_is_decoded_on_the_workers():
    plain = workflow()
    assert graph.ends_as(plain, "clip", CHAIN)
    pasted = plain | {"paste": {"class_type": "SKPortraitPasteBack", "inputs": {"images": ["decode", 0]}}}
    assert not graph.ends_as(pasted, "clip", CHAIN)


def test_what_comes_after_the_sampler_is_given_its_latents():
    after = graph.replaced(
        workflow(), "clip", {f"given {name}": graph.given(name) for name in ("latents", "stage1")}
    )
    assert "clip" not in after and after["decode"]["inputs"]["samples"] == ["given latents", 0]


def test_a_store_keeps_windows_until_their_call_and_calls_until_their_run_is_whole(tmp_path):
    store = Store(tmp_path)
    windows = {0: torch.rand(12, 4, 2, 2), 1: torch.rand(5, 4, 2, 2)}
    store.save_windows("run1.1", windows)
    store.save_windows("run1.2", {7: torch.rand(2, 4, 2, 2)})
    assert all(
        torch.equal(kept, windows[window]) for window, kept in Store(tmp_path).windows("run1.1").items()
    )
    store.save("run1.1", torch.ones(3))
    assert (
        store.windows("run1.1") == {}
        and list(store.windows("run1.2")) == [7]
        and torch.equal(store.load("run1.1"), torch.ones(3))
    )
    store.save("run1", torch.zeros(3))
    assert [path.name for path in tmp_path.iterdir()] == ["run1.npy"]


def test_a_full_disk_leaves_nothing_half_written(tmp_path, monkeypatch):
    store = Store(tmp_path)
    store.save("run1", torch.zeros(3))

    def full(file, array):
        file.write(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("numpy.save", full)
    with pytest.raises(FileError, match="No space left"):
        store.save("run2", torch.ones(3))
    assert [path.name for path in Path(tmp_path).iterdir()] == ["run1.npy"]


def test_features_travel_as_they_are_in_any_precision():
    features = {"up_3": torch.randn(3, 8, 4, 4).to(torch.bfloat16)}
    sent = wire.unpacked(
        wire.packed(Drive(features, {"up_3": torch.zeros(1, 8, 4, 4, dtype=torch.bfloat16)}, ("v2",), (8, 8)))
    )
    assert (
        torch.equal(sent.features["up_3"], features["up_3"])
        and len(sent.null["up_3"]) == 1
        and sent.size == (8, 8)
    )
