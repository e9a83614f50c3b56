"""Apply beside ComfyUI's own LoRA and ControlNet nodes, on the real server: each still acts, in any order."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from sk_portrait.host import workflow
from sk_portrait.testing import servers
from sk_portrait.testing.rule import draw
from sk_portrait.testing.servers import only
from sk_portrait.testing.stand_ins import checkpoint, shapes

pytestmark = pytest.mark.comfy

LORA = "tiny_lora.safetensors"


@pytest.fixture(scope="module")
def tools(stocked):
    """A LoRA and a ControlNet in the server's folders."""
    models = stocked.base / "models"
    (models / "loras").mkdir(parents=True, exist_ok=True)
    name = "lora_unet_down_blocks_0_attentions_0_proj_in"
    parts = {"lora_up": (shapes.WIDTH, 4, 1, 1), "lora_down": (4, shapes.WIDTH, 1, 1)}
    lora = {
        f"{name}.{part}.weight": torch.from_numpy(draw("lora", part, shape)) / 4
        for part, shape in parts.items()
    }
    save_file(lora | {f"{name}.alpha": torch.tensor(4.0)}, models / "loras" / LORA)
    checkpoint.controlnet(models)


def with_lora(graph: dict, strength: float = 1.0, before: str = "SKPortraitApply") -> dict:
    """The MODEL that a node takes goes through ComfyUI's LoRA node first."""
    taker = only(graph, before)
    inputs = {"model": taker["model"], "lora_name": LORA, "strength_model": strength}
    graph["lora"] = {"class_type": "LoraLoaderModelOnly", "inputs": inputs}
    taker["model"] = ["lora", 0]
    return graph


def with_controlnet(graph: dict, strength: float = 0.5) -> dict:
    """The prompts go through ComfyUI's ControlNet node, with the head-pose pictures as hints."""
    sampler = only(graph, "KSampler")
    graph["net"] = {"class_type": "ControlNetLoader", "inputs": {"control_net_name": checkpoint.CONTROLNET}}
    prompts = {side: sampler[side] for side in ("positive", "negative")}
    hint = [workflow.node_id(graph, "SKPortraitDrawHeadPose"), 0]
    span = {"strength": strength, "start_percent": 0.0, "end_percent": 1.0}
    graph["control"] = {
        "class_type": "ControlNetApplyAdvanced",
        "inputs": prompts | {"control_net": ["net", 0], "image": hint} | span,
    }
    sampler |= {"positive": ["control", 0], "negative": ["control", 1]}
    return graph


@pytest.fixture(scope="module")
def drawn(stocked, small_graph, tools):
    """What each way of using them draws: name -> picture."""

    ways = {
        "apply": lambda graph: graph,
        "lora": with_lora,
        "lora behind": lambda graph: with_lora(graph, before="KSampler"),
        "lora off": lambda graph: with_lora(graph, 0.0),
        "controlnet": with_controlnet,
        "controlnet off": lambda graph: with_controlnet(graph, 0.0),
        "both": lambda graph: with_controlnet(with_lora(graph)),
    }
    graphs = {name: way(small_graph("portrait_image")) for name, way in ways.items()}
    return {name: servers.picture(stocked, graph).astype(float) for name, graph in graphs.items()}


@pytest.mark.parametrize("name", ["lora", "controlnet", "both"])
def test_each_of_them_acts_beside_apply(drawn, name):
    assert np.abs(drawn[name] - drawn["apply"]).max() > 2


@pytest.mark.parametrize("name", ["lora off", "controlnet off"])
def test_at_strength_zero_each_leaves_apply_alone(drawn, name):
    assert np.array_equal(drawn[name], drawn["apply"])


def test_a_lora_acts_the_same_before_and_behind_apply(drawn):
    assert np.array_equal(drawn["lora"], drawn["lora behind"])


def test_lora_and_controlnet_add_up(drawn):
    assert min(np.abs(drawn["both"] - drawn[name]).max() for name in ("apply", "lora", "controlnet")) > 2
