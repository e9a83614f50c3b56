"""A narrow network in the tensors of a full-size one: by the same loaders, the same answers."""

import pytest
import torch

from sk_portrait.sk_attention.checkpoint import load, read
from sk_portrait.testing.raised import raises
from sk_portrait.train import command, objective
from sk_portrait.train.toy import definition
from sk_portrait.train.toy.autoencoder import TinyAutoencoder
from sk_portrait.train.toy.widen import WideningError, widened


def test_a_widened_part_is_loaded_by_name_and_answers_as_the_narrow_one(tmp_path):
    torch.manual_seed(0)
    for name in ("hm2_reference", "hm2_control"):
        part = next(p for p in definition.parts() if p.repositories["v2"] == name)
        narrow = part.build(definition.sizes(part)).eval()
        path = command._write({name: load_wide(part, narrow)}, tmp_path)[0]
        loaded = load(read(path), str(path))
        assert loaded.part is part and loaded.versions == ("v2",)
        if name == "hm2_control":
            x = (
                torch.randn(1, 3, 128, 128),
                objective.Expression(torch.rand(1, 51), torch.randn(1, 3, 1024)),
            )
            with torch.no_grad():
                a, b = narrow(*x), loaded.module(*x)
            assert all((a[s].repeat_interleave(2, 1) - b[s]).abs().max() < 1e-5 for s in a)


def load_wide(part, narrow):
    wide = part.build(definition.sizes(part, 2))
    wide.load_state_dict(definition.wide_part(part, narrow.state_dict(), 2))
    return wide


@pytest.fixture(scope="module")
def narrow():
    """UNet and autoencoder of the toy model, and their file."""
    torch.manual_seed(0)
    unet, small = definition.unet().eval(), TinyAutoencoder.small().eval()
    return unet, small, definition.narrow_base(unet, small)


def test_the_widened_autoencoder_is_the_small_one(narrow):
    _, small, file = narrow
    wide = definition.wide_base(file, times=1)
    full = TinyAutoencoder.full().eval()
    full.load_state_dict({k.removeprefix("first_stage_model."): v for k, v in wide.items() if "taesd" in k})
    picture = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        latents = small.encode(picture)
        assert (full.encode(picture) - latents).abs().max() < 1e-5
        assert (full.decode(latents) - small.decode(latents)).abs().max() < 1e-5


def test_the_widened_unet_answers_as_the_narrow_one_on_diffusers(narrow, tmp_path):
    from safetensors.torch import save_file

    from sk_portrait.train.base import Base

    unet, _, file = narrow
    save_file(definition.wide_base(file, times=2), tmp_path / "wide.safetensors")
    x, at = torch.randn(1, 4, 16, 16), torch.tensor([400])
    with torch.no_grad():
        a = unet(x, at, encoder_hidden_states=None).sample
        b = (
            Base(tmp_path / "wide.safetensors")
            .unet()(x, at, encoder_hidden_states=torch.randn(1, 7, 768))
            .sample
        )
    assert (a - b).abs().max() < 1e-5


def test_the_widened_unet_answers_as_the_narrow_one_in_comfyui(comfy, narrow):
    from sk_portrait.testing.tiny_comfy import ComfyHost

    unet, _, file = narrow
    wide = definition.wide_base(file)
    own = {k.removeprefix("model.diffusion_model."): v for k, v in wide.items() if k.startswith("model.")}
    x = torch.randn(2, 4, 16, 16)
    with torch.no_grad():
        a = unet(x, torch.tensor([400, 400]), encoder_hidden_states=None).sample
    b = ComfyHost(own).forward(x, torch.randn(2, 7, 768), 400)
    assert (a - b).abs().max() < 1e-5


def test_what_cannot_be_widened_is_told():
    with raises(WideningError, key="a"):
        widened({"a": torch.zeros(3)}, {"a": (7,)})
    with raises(WideningError, key="b"):
        widened({"a": torch.zeros(3)}, {"a": (6,), "b": (2,)})
