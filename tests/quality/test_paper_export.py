"""The networks of the paper's bench in SD1.5's shapes: they give the narrow ones' output."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

pytest.importorskip("diffusers")

from safetensors import safe_open
from safetensors.torch import save_file

from sk_portrait.bench.paper import export, people
from sk_portrait.bench.paper.arms import ARMS, OPTIONS, Arm, with_places
from sk_portrait.bench.paper.runs import WEIGHTS
from sk_portrait.demo.toy_model import World
from sk_portrait.sk_attention.appendix.cross import FaceIDAdapter
from sk_portrait.sk_attention.appendix.files import load_cross
from sk_portrait.sk_attention.appendix.metadata import condition_of
from sk_portrait.sk_attention.appendix.patch import FaceIDPatch
from sk_portrait.sk_attention.checkpoint import load, read
from sk_portrait.train.base import Base
from sk_portrait.train.objective import Attending, look
from sk_portrait.train.toy import definition
from sk_portrait.train.toy.appendix import wide_control, wide_cross
from sk_portrait.unet.clip.curve import Curve
from sk_portrait.unet.clip.frames import COND
from sk_portrait.unet.hosts.diffusers_attention import attending
from sk_portrait.unet.hosts.diffusers_hooks import bound
from sk_portrait.unet.patches import WeightedPatch

TIMES = 2  # SD1.5's shapes are ten times as wide as the toy model


@pytest.fixture(scope="module")
def world():
    return World()


@pytest.fixture(scope="module")
def batch(world):
    from sk_portrait.bench.quality.test_set import scenes

    return people.shown(world, scenes(2, 1)).batch([0, 1], torch.Generator().manual_seed(0), 0.0)


@pytest.fixture(scope="module")
def wide(world, tmp_path_factory):
    """The toy model's UNet with twice as many channels, on diffusers."""
    path = tmp_path_factory.mktemp("wide") / "wide.safetensors"
    save_file(definition.wide_base(world.base, TIMES), path)
    return Base(path).unet()


def arm_of(group: str, name: str, unet: nn.Module) -> Arm:
    """An arm whose last layers are noise instead of zero."""
    torch.manual_seed(0)
    arm = ARMS[group][name](with_places(unet), None).eval()
    for path, module in arm.learned.named_modules():
        if path.endswith("proj"):
            nn.init.normal_(module.weight, std=0.05)
            nn.init.normal_(module.bias, std=0.05)
    return arm


@torch.no_grad()
def test_a_widened_face_id_answers_as_the_narrow_one(world, batch, wide):
    arm = arm_of("identity", "IPAdapterSK", world.unet)
    state = wide_cross(FaceIDAdapter, export.own_names(arm.learned.state_dict()), TIMES)
    patch = FaceIDPatch(load_cross(FaceIDAdapter, state, "wide"), batch.embedding, Curve.constant(1.0))
    with attending(wide, [patch], OPTIONS):
        got = wide(batch.noise, batch.timesteps, encoder_hidden_states=torch.randn(2, 7, 768)).sample
    want = arm(batch.noise, batch.timesteps, batch)
    plain = arm.base(batch.noise, batch.timesteps)
    assert (got - want).abs().max() < 1e-5 < 1e-2 < (want - plain).abs().max()


@torch.no_grad()
def test_a_widened_controlnet_sk_answers_as_the_narrow_one(world, batch, wide):
    arm = arm_of("condition", "ControlNetSK", world.unet)
    adapter = load(wide_control(arm.learned.state_dict(), TIMES), "wide").module
    text = torch.zeros(2, 7, 768)
    attend = WeightedPatch(Attending(adapter, look(wide, batch.edges, text, adapter.sites)))
    with bound(wide, [attend], {"cond_or_uncond": [COND] * 2}):
        got = wide(batch.noise, batch.timesteps, encoder_hidden_states=text).sample
    want = arm(batch.noise, batch.timesteps, batch)
    plain = arm.base(batch.noise, batch.timesteps)
    assert (got - want).abs().max() < 1e-5 < 1e-2 < (want - plain).abs().max()


def test_the_bench_writes_what_the_templates_load(world, tmp_path):
    for kind in export.KINDS:
        folder = tmp_path / "results" / kind.place / "0"
        folder.mkdir(parents=True)
        torch.save(arm_of(*kind.place.split("/"), world.unet).learned.state_dict(), folder / WEIGHTS)
    checkpoint, control, face_id, person = export.write(
        tmp_path / "ComfyUI", tmp_path / "results", world.unet, world
    )
    with safe_open(control, "pt") as file:
        assert condition_of(file.metadata()) == "canny"
    widths = [320, 640, 640, 640]
    assert Base(checkpoint).widths == tuple(widths)
    down = load(read(control), str(control)).module.reference_modules_down
    assert [module.norm.normalized_shape[0] for module in down] == widths[:3]
    assert load_cross(FaceIDAdapter, read(face_id), str(face_id)).context_dim == 512
    assert np.linalg.norm(np.load(person)) == pytest.approx(1)
