"""run.py and what stands behind it, without installing anything."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from sk_portrait.demo import sheet
from sk_portrait.host import environment, installation, workflow
from sk_portrait.testing import models
from sk_portrait.testing.raised import raises
from sk_portrait.testing.stand_ins import checkpoint, networks, shapes

ROOT = Path(__file__).resolve().parent.parent


def test_pip_runs_only_when_the_pinned_set_or_the_hosts_list_changes(tmp_path, monkeypatch):
    calls = []
    monkeypatch.setenv(environment.NAMED, str(tmp_path / "env"))
    monkeypatch.setattr(environment, "python", lambda folder: Path(sys.executable))
    monkeypatch.setattr(environment.subprocess, "call", lambda command: calls.append(command) or 0)
    (tmp_path / "env").mkdir()
    comfy = tmp_path / "ComfyUI"
    comfy.mkdir()
    (comfy / "requirements.txt").write_text("einops\n")
    environment.ensure(comfy)
    environment.ensure(comfy)
    environment.ensure(None)
    assert len(calls) == 1 and str(environment.PINS) in calls[0]
    (comfy / "requirements.txt").write_text("einops\naiohttp\n")
    environment.ensure(comfy)
    assert len(calls) == 2


def test_each_version_of_comfyui_has_its_own_environment(tmp_path, monkeypatch):
    monkeypatch.delenv(environment.NAMED, raising=False)
    for version in ("0.3.64", "0.29.0"):
        (tmp_path / version).mkdir()
        (tmp_path / version / "comfyui_version.py").write_text(f'__version__ = "{version}"\n')
        assert environment.folder_for(tmp_path / version) == environment.CACHE / f"env-{version}"
    assert environment.folder_for(None) == environment.CACHE / "env"


def test_a_failed_installation_leaves_no_stamp(tmp_path, monkeypatch):
    monkeypatch.setenv(environment.NAMED, str(tmp_path))
    monkeypatch.setattr(environment, "python", lambda folder: Path(sys.executable))
    monkeypatch.setattr(environment.subprocess, "call", lambda command: 1)
    with pytest.raises(SystemExit, match="could not install"):
        environment.ensure(None)
    assert list(tmp_path.iterdir()) == []


def test_comfyui_is_found_where_it_was_named_or_not_at_all(tmp_path, monkeypatch):
    monkeypatch.setenv("COMFYUI_PATH", "none")
    assert installation.find() is None
    monkeypatch.setenv("COMFYUI_PATH", str(tmp_path))
    with pytest.raises(SystemExit, match=r"COMFYUI_PATH is .*main\.py"):
        installation.find()
    (tmp_path / "comfy").mkdir()
    (tmp_path / "main.py").touch()
    assert installation.find() == tmp_path


def test_an_unknown_command_prints_the_four(tmp_path):
    result = subprocess.run([sys.executable, str(ROOT / "run.py"), "dance"], capture_output=True, text=True)
    assert result.returncode == 2 and all(
        f"run.py {name}" in result.stdout for name in ("demo", "test", "serve", "bench")
    )


def test_synthetic_tensors_are_small_on_disk_and_whole_in_memory(tmp_path):
    path = checkpoint.checkpoint(tmp_path)
    state = torch.load(path, weights_only=True)
    assert path.stat().st_size < 8e6 < 2e8 < sum(tensor.numel() for tensor in state.values())
    assert {
        key: tuple(tensor.shape) for key, tensor in state.items()
    } == shapes.unet() | shapes.clip_text() | shapes.tiny_vae()
    assert all(torch.isfinite(tensor).all() for tensor in state.values())
    attention = state[
        "model.diffusion_model.output_blocks.3.1.transformer_blocks.0.attn2.to_k.weight"
    ].float()
    assert len(attention.unique(dim=0)) == len(attention)


@pytest.mark.parametrize(
    ("name", "manifest"),
    [("hm2_reference", "v2_reference"), ("hm2_control", "v2_control"), ("hm5_motion", "v5_motion")],
)
def test_synthetic_networks_carry_every_published_name(name, manifest):
    assert networks.build(name, 64).state_dict().keys() == shapes.published(manifest).keys()


INFO = {
    "Loader": {"input": {"required": {"file": [["a", "b"], {}]}}},
    "Sampler": {
        "input": {
            "required": {
                "model": ["MODEL"],
                "seed": ["INT", {"control_after_generate": True}],
                "steps": ["INT", {}],
            },
            "optional": {"fps": ["FLOAT", {"default": 1.0}], "newer": ["INT", {"default": 8}]},
        }
    },
}
SAVED = {
    "links": [[1, 7, 0, 8, 0, "MODEL"], [2, 7, 1, 8, 3, "FLOAT"]],
    "nodes": [
        {"id": 7, "type": "Loader", "widgets_values": ["b"], "inputs": []},
        {
            "id": 8,
            "type": "Sampler",
            "widgets_values": [5, "fixed", 25, 2.0],
            "inputs": [{"name": "model", "link": 1}, {"name": "fps", "link": 2}],
        },
        {"id": 9, "type": "Note", "widgets_values": ["hello"]},
    ],
}


def test_a_saved_workflow_becomes_what_the_server_runs():
    graph = workflow.to_api(SAVED, INFO)
    assert graph["7"]["inputs"] == {"file": "b"}
    assert graph["8"]["inputs"] == {"model": ["7", 0], "seed": 5, "steps": 25, "fps": ["7", 1], "newer": 8}
    assert set(graph) == {"7", "8"} and workflow.node_id(graph, "Sampler") == "8"


LOADER = SAVED["nodes"][0]
SAVES = {
    "input": {
        "required": {
            "frames": ["IMAGE"],
            "format": ["COMFY_DYNAMICCOMBO_V3", {"options": [
                {"key": "auto", "inputs": {"required": {}}},
                {"key": "mp4", "inputs": {"required": {"crf": ["INT", {"default": 23}]}, "optional": {"mask": ["MASK"]}}},
            ]}],
            "name": ["STRING", {"default": "clip"}],
        }
    }
}  # fmt: skip


def test_a_dynamic_choice_brings_its_inputs_under_nested_names():
    node = {
        "id": 1,
        "type": "Save",
        "inputs": [{"name": "frames", "link": 4}],
        "widgets_values": ["mp4", 18, "mine"],
    }
    graph = workflow.to_api(
        {"nodes": [LOADER, node], "links": [[4, 7, 0, 1, 0, "IMAGE"]]}, INFO | {"Save": SAVES}
    )
    assert graph["1"]["inputs"] == {"frames": ["7", 0], "format": "mp4", "format.crf": 18, "name": "mine"}
    workflow.require_complete(graph, INFO | {"Save": SAVES})


def test_a_graph_without_a_required_input_is_found_before_it_runs():
    info = INFO | {"Save": SAVES}
    graph = {"1": {"class_type": "Save", "inputs": {"frames": ["9", 0], "format": "mp4", "name": "mine"}}}
    with pytest.raises(workflow.WorkflowError, match=r"frames comes from node 9.*has no format\.crf"):
        workflow.require_complete(graph, info)
    graph["1"]["inputs"] = {"format": "auto"}
    with pytest.raises(workflow.WorkflowError, match="node 1 .Save. has no frames.*has no name"):
        workflow.require_complete(graph, info)


def test_a_workflow_that_cannot_run_here_says_which_node():
    with raises(workflow.WorkflowError, node="Sampler"):
        workflow.to_api(SAVED, {"Loader": INFO["Loader"]})
    bypassed = json.loads(json.dumps(SAVED))
    bypassed["nodes"][1]["mode"] = 4
    with pytest.raises(workflow.WorkflowError, match="Node 8 .*bypassed"):
        workflow.to_api(bypassed, INFO)


def test_real_weights_are_used_only_when_all_are_there():
    mine = {kind: dict.fromkeys(widgets, "mine.safetensors") for kind, widgets in models.LOADERS.items()}
    info = {
        kind: {"input": {"required": {widget: [[name]] for widget, name in inputs.items()}}}
        for kind, inputs in mine.items()
    }
    graph = {
        str(k): {"class_type": kind, "inputs": dict(inputs)} for k, (kind, inputs) in enumerate(mine.items())
    }
    assert models.missing(graph, info) == []
    graph["0"]["inputs"]["ckpt_name"] = "absent.safetensors"
    assert models.missing(graph, info) == ["absent.safetensors"]
    models.use_synthetic(graph)
    assert graph["0"]["inputs"]["ckpt_name"] == checkpoint.CHECKPOINT
    assert graph["2"]["inputs"]["file"] == "synthetic_mine.safetensors"


def test_the_demo_writes_a_video_that_plays_and_a_sheet_of_six_rows(tmp_path):
    from sk_portrait.face_tools import video

    frames = [np.full((64, 64, 3), 12 * k, np.uint8) for k in range(16)]
    path = sheet.write_video(tmp_path / "video.mp4", frames, 25.0)
    means = [frame.mean() for frame in video.frames(path)]
    assert len(means) == 16 and means == sorted(means)
    from PIL import Image

    columns = {"portrait": frames[:1], "driver": frames, "result": frames}
    picture = Image.open(sheet.contact_sheet(tmp_path / "sheet.png", columns, "title"))
    assert picture.size == (3 * sheet.CELL, 2 * sheet.BAR + 6 * sheet.CELL)
    sheet.show(tmp_path, "shown", columns, "title", 15.0)
    assert [frame.shape for frame in video.frames(tmp_path / "shown.mp4")] == [
        (sheet.SIDE, 3 * sheet.SIDE, 3)
    ] * 16


def test_a_server_computes_attention_as_its_options_say():
    from sk_portrait.host.server import command_line

    chosen = command_line(Path("comfy"), Path("base"), 1, "--use-split-cross-attention")
    assert [part for part in chosen if "attention" in part] == ["--use-split-cross-attention"]
