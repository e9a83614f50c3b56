"""Problems that users reported about packs of this kind, tried on ours."""

from __future__ import annotations

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from sk_portrait.errors import FrameCountError, NotFiniteError
from sk_portrait.testing.raised import raises
from sk_portrait.testing.tiny_models import drive, normal, prompt

pytestmark = pytest.mark.comfy

SMALL = 8  # latent pixels


class WithoutFloat64(TorchDispatchMode):
    """Raise TypeError for what would be float64 numbers, as Apple's MPS device does."""

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        if torch.float64 in {getattr(leaf, "dtype", None) for leaf in tree_leaves(result)}:
            raise TypeError(f"Cannot convert a MPS Tensor to float64 ({function}).")
        return result


@pytest.fixture(scope="module")
def applied(host):
    """Reference, drive and SK motion on one MODEL."""
    model = host.apply(host.reference(cells=SMALL), drive(3, cells=SMALL))
    return host.move(host.motion("v5"), 2, 1, model=model)


def test_no_float64_on_the_device(host, applied):
    """RES4LYF 109, x-flux-comfyui 164, ExtraModels 48."""
    with WithoutFloat64():
        assert host.sample(applied, 3, SMALL).isfinite().all()


def test_a_run_after_one_that_failed_is_as_if_none_had(host, applied):
    """comfyui-instantId-faceswap 22: the error comes back until ComfyUI is restarted."""
    before = host.sample(applied, 3, SMALL)
    with raises(FrameCountError, frames=3, expected=5):
        host.sample(applied, 5, SMALL)
    assert torch.equal(host.sample(applied, 3, SMALL), before)


def test_a_run_after_models_were_unloaded_is_the_same(host, applied):
    """ComfyUI-IPAdapter-Flux 43, HiDream-Sampler 79: tensors stay on the device that they were on."""
    import comfy.model_management

    before = host.sample(applied, 3, SMALL)
    comfy.model_management.unload_all_models()
    assert torch.equal(host.sample(applied, 3, SMALL), before)


@pytest.mark.parametrize(("positive", "negative"), [(7, 14), (21, 7), (14, 21)])
def test_prompts_of_different_length_go_together(host, applied, positive, negative):
    """FizzNodes 13: cond and uncond are one batch, the shorter one repeated; each is as it is alone."""
    import comfy.sample

    def sample(first: int, second: int, model) -> torch.Tensor:
        prompts = [[[normal(name, 1, tokens, 64), {}]] for name, tokens in (("+", first), ("-", second))]
        noise = normal("noise", 3, 4, SMALL, SMALL)
        settings = 2, 2.0, "euler", "normal"
        return comfy.sample.sample(
            model, noise, *settings, *prompts, torch.zeros_like(noise), disable_pbar=True, seed=1
        )

    together = sample(positive, negative, applied)
    apart = applied.clone()
    apart.set_model_sampler_calc_cond_batch_function(one_by_one)
    alone = sample(positive, negative, apart)
    assert (together - alone).abs().max() < 1e-5 * alone.abs().max()


def one_by_one(arguments: dict) -> list[torch.Tensor]:
    """Each conditioning in a call of its own."""
    import comfy.samplers

    options = dict(arguments["model_options"])
    del options["sampler_calc_cond_batch_function"]
    model, rest = arguments["model"], (arguments["input"], arguments["sigma"], options)
    return [comfy.samplers.calc_cond_batch(model, [cond], *rest)[0] for cond in arguments["conds"]]


def test_a_latent_that_a_vae_failed_on_is_an_error_and_no_black_picture(host):
    """LivePortraitKJ 34: black pictures, whose cause are values that are no numbers in half precision."""
    latent = normal("portrait", 1, 4, SMALL, SMALL).clone()
    latent[0, 0, 0, 0] = float("nan")
    with pytest.raises(NotFiniteError, match="--fp32-vae"):
        host.encode_node.execute(host.model, host.adapter(), prompt("+"), prompt("-"), {"samples": latent})
