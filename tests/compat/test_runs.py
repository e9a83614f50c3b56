"""Guiders, orders of nodes, precisions, samplers: a run beside another one that must give the same result."""

from __future__ import annotations

import shutil
from collections.abc import Callable

import comfy.samplers
import pytest
import torch

from sk_portrait.testing.compare import relative_error
from sk_portrait.testing.compat.lab import EXTRAS, TOLERANCE, Lab, Scene, call, sampled_by, torch_compiled
from sk_portrait.testing.compat.wears import hook_lora, lora
from sk_portrait.testing.tiny_comfy import patcher
from sk_portrait.testing.tiny_models import GOLDEN, prompt
from sk_portrait.unet.clip.frames import GuiderError

slow = pytest.mark.slow
HALF_TOLERANCE = 2e-2  # of a run in bf16 or fp16 against fp32
SAMPLERS = (
    "euler euler_cfg_pp euler_ancestral euler_ancestral_cfg_pp heun heunpp2 exp_heun_2_x0 exp_heun_2_x0_sde dpm_2 dpm_2_ancestral lms "
    "dpm_fast dpm_adaptive dpmpp_2s_ancestral dpmpp_2s_ancestral_cfg_pp dpmpp_sde dpmpp_sde_gpu dpmpp_2m dpmpp_2m_cfg_pp dpmpp_2m_sde "
    "dpmpp_2m_sde_gpu dpmpp_2m_sde_heun dpmpp_2m_sde_heun_gpu dpmpp_3m_sde dpmpp_3m_sde_gpu ddpm lcm ipndm ipndm_v deis res_multistep "
    "res_multistep_cfg_pp res_multistep_ancestral res_multistep_ancestral_cfg_pp gradient_estimation gradient_estimation_cfg_pp er_sde "
    "seeds_2 seeds_3 sa_solver sa_solver_pece ddim uni_pc uni_pc_bh2"
).split()


def model(scene: Scene):
    return scene.model


def positive(scene: Scene):
    return scene.positive


def negative(scene: Scene):
    return scene.negative


def guided(lab: Lab, module: str, node: str, *inputs) -> torch.Tensor:
    """The clip under a guider of ComfyUI; inputs that are functions get the scene."""

    def guider(scene: Scene):
        return call(EXTRAS + module, node, *(one(scene) if callable(one) else one for one in inputs))

    scene = lab.scene()
    scene.guider = guider
    return scene.samples()


def test_dual_model_guider_with_twice_the_same_model_is_cfg_guider(lab):
    try:
        twice = guided(lab, "nodes_custom_sampler", "DualModelGuider", model, positive, 2.0, model, negative)
    except AttributeError:
        pytest.skip("this ComfyUI has no Dual Model Guider")
    assert relative_error(twice, lab.whole()) <= TOLERANCE


@pytest.mark.parametrize("style", [pytest.param("regular", marks=slow), "nested"])
def test_dual_cfg_guider_with_twice_the_same_prompt_is_cfg_guider(lab, style):
    got = guided(
        lab, "nodes_custom_sampler", "DualCFGGuider", model, positive, positive, negative, 5.0, 2.0, style
    )
    assert relative_error(got, lab.whole()) <= TOLERANCE


@slow
def test_perp_neg_guider_with_the_same_negative_and_empty_prompt_is_cfg_guider(lab):
    got = guided(lab, "nodes_perpneg", "PerpNegGuider", model, positive, negative, negative, 2.0, 1.0)
    assert relative_error(got, lab.whole()) <= TOLERANCE


def test_three_prompts_of_perp_neg_guider_are_each_prompt_alone(lab, monkeypatch):
    """Each prompt is sampled alone, by number and on the side that it belongs to."""
    inputs = ("nodes_perpneg", "PerpNegGuider", model, positive, negative, lambda scene: empty, 2.0, 0.7)
    empty, together = prompt("0"), comfy.samplers.calc_cond_batch
    got = guided(lab, *inputs)

    def each(base, conds, x, timestep, options):
        (cond, *others) = conds
        (yes, _) = together(base, [cond, None], x, timestep, options)
        return [yes, *(together(base, [None, one], x, timestep, options)[1] for one in others)]

    monkeypatch.setattr(comfy.samplers, "calc_cond_batch", each)
    with lab.by_number():
        assert relative_error(got, guided(lab, *inputs)) <= TOLERANCE


def test_the_deprecated_perp_neg_node_raises(lab):
    scene = lab.scene()
    scene.model = call(EXTRAS + "nodes_perpneg", "PerpNeg", scene.model, prompt("0"), 1.0)
    with pytest.raises(GuiderError, match="Perp-Neg Guider"):
        scene.samples()


def test_the_extra_pass_of_sag_is_uncond(lab, monkeypatch):
    """The same with that pass at uncond's own place in the call."""

    def samples() -> torch.Tensor:
        scene = lab.wide()  # its map of the middle block's attention needs more than one latent pixel
        scene.model = call(EXTRAS + "nodes_sag", "SelfAttentionGuidance", scene.model, 0.8, 2.0)
        return scene.samples()

    got, together = samples(), comfy.samplers.calc_cond_batch

    def placed(base, conds, x, timestep, options):
        if len(conds) == 1:
            return together(base, [None, *conds], x, timestep, options)[1:]
        return together(base, conds, x, timestep, options)

    monkeypatch.setattr(comfy.samplers, "calc_cond_batch", placed)
    with lab.by_number():
        assert relative_error(got, samples()) <= TOLERANCE


@slow
def test_a_hook_lora_is_the_lora(lab):
    assert relative_error(lab.whole(hook_lora), lab.whole(lora)) <= TOLERANCE


@slow
def test_a_lora_before_apply_is_the_lora_after_it(lab):
    before = Scene(lab.model, lab.noise, prompt("+"), prompt("-"))
    lora(lab, before, ())
    before.model = lab.apply(lab.portrait, lab.clip(range(len(lab.noise))), model=before.model)
    assert relative_error(before.samples(), lab.whole(lora)) <= TOLERANCE


@slow
def test_a_model_merged_half_and_half_with_itself_after_apply_is_itself(lab):
    scene = lab.scene()
    scene.model = call(EXTRAS + "nodes_model_merging", "ModelMergeSimple", scene.model, lab.model, 0.5)
    assert relative_error(scene.samples(), lab.whole()) <= TOLERANCE


def compiled_error(lab: Lab, backend: str | Callable) -> float:
    """Of a compiled run in windows, whose drive changes between the calls of one compiled graph."""
    scene = lab.scene(windows=True)
    scene.model = torch_compiled(scene.model, backend)
    return relative_error(scene.samples(), lab.whole())


@slow
def test_torch_compile_in_windows_is_the_whole_batch(lab):
    graphs = []

    def backend(graph, inputs):
        graphs.append(graph)
        return graph.forward

    assert compiled_error(lab, backend) <= TOLERANCE and graphs


@slow
@pytest.mark.skipif(not shutil.which("g++"), reason="inductor needs a C++ compiler")
def test_inductor_in_windows_is_the_whole_batch(lab):
    assert compiled_error(lab, "inductor") <= TOLERANCE


def test_easy_cache_of_a_window_is_that_of_a_clip_of_its_own(lab):
    """Two windows that share no frame, each of which skips the steps that it skips alone."""

    def samples(frames: range, window: int = 0, cached: bool = True) -> torch.Tensor:
        made = lab.scene(frames=frames)
        made.steps, made.cfg = 6, 1.0  # one condition: 0.3.64's adds that of one to both
        made.model = lab.move(lab.still, window, 0, model=made.model) if window else made.model
        if cached:
            made.model = call(EXTRAS + "nodes_easycache", "EasyCacheNode", made.model, 1.0, 0.0, 1.0, False)
        return made.samples()

    together, apart = samples(range(4), 2), torch.cat([samples(half) for half in (range(2), range(2, 4))])
    assert relative_error(together, samples(range(4), cached=False)) > 1e-3
    assert relative_error(together, apart) <= TOLERANCE


def test_a_percent_range_counts_in_the_schedule_that_is_sampled(lab):
    """The node that changes the schedule may stand before Apply or after it."""

    def other(model):
        return call(EXTRAS + "nodes_model_advanced", "ModelSamplingDiscrete", model, "v_prediction", True)

    def apply(model):
        return lab.apply(lab.portrait, lab.clip(range(len(lab.noise))), model=model, percent_range=(0.2, 0.5))

    got, want = (
        Scene(model, lab.noise, prompt("+"), prompt("-"), steps=6).samples()
        for model in (other(apply(lab.model)), apply(other(lab.model)))
    )
    assert relative_error(got, want) <= TOLERANCE


@pytest.mark.parametrize("dtype", [torch.bfloat16, pytest.param(torch.float16, marks=slow)], ids=str)
def test_a_unet_call_in_half_precision(lab, dtype):
    """With a portrait that the same UNet encoded."""
    got, want = (
        sampled_by(lab, patcher(GOLDEN.unet_weights(), one), steps=1, cfg=1.0)
        for one in (dtype, torch.float32)
    )
    assert relative_error(got, want) <= HALF_TOLERANCE


def test_weights_in_fp8_lose_no_other_precision(lab):
    """They are the same weights rounded to 8 bits and kept in fp32."""
    eight, weights = torch.float8_e4m3fn, GOLDEN.unet_weights()
    rounded = {key: weight.to(eight).float() for key, weight in weights.items()}
    got, want = (sampled_by(lab, unet) for unet in (patcher(weights, eight, torch.float32), patcher(rounded)))
    assert relative_error(got, want) <= TOLERANCE


@pytest.mark.parametrize("flag", ["fp8_e4m3fn_unet", "fp8_e5m2_unet"])
def test_adapters_are_never_kept_in_8_bits(comfy, flag, monkeypatch):
    import comfy.model_management
    from comfy.cli_args import args

    from sk_portrait.nodes.weights import kept_in

    monkeypatch.setattr(args, flag, True)
    assert comfy.model_management.unet_dtype().itemsize == 1
    assert kept_in(10**6).itemsize > 1


def test_every_sampler_is_listed():
    assert set(comfy.samplers.KSampler.SAMPLERS) <= set(SAMPLERS)


@slow
@pytest.mark.parametrize("name", SAMPLERS)
def test_a_sampler_draws_the_same_for_cond_and_uncond_together_and_apart(lab, name):
    if name not in comfy.samplers.KSampler.SAMPLERS:
        pytest.skip("this ComfyUI has no such sampler")

    def samples() -> torch.Tensor:
        torch.manual_seed(5)
        scene = lab.scene(frames=range(2))
        scene.sampler = name
        return scene.samples()

    together = samples()
    with lab.apart():
        assert relative_error(samples(), together) <= TOLERANCE
