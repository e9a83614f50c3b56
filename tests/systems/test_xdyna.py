"""X-Dyna on the real ComfyUI: identity where nothing acts, however ComfyUI batches, who it goes with, one sentence for bad input."""

from __future__ import annotations

import pytest
import torch

from sk_portrait.errors import (
    CombinationError,
    MissingInputError,
    ModelError,
    SettingError,
    SingleInputError,
    SizeError,
)
from sk_portrait.testing.compare import relative_error
from sk_portrait.testing.golden import OTHER, Golden
from sk_portrait.testing.golden_systems import loaded
from sk_portrait.testing.raised import raises
from sk_portrait.testing.split_sampling import split_errors
from sk_portrait.testing.tiny_models import CELLS, drive, normal, prompt

pytestmark = pytest.mark.comfy

GOLDENS = Golden(OTHER)
FRAMES = 3


@pytest.fixture(scope="module")
def networks(host):
    """(adapter, motion) by the rule."""
    from sk_portrait.testing.golden_systems import adapter_of, motion_of

    return adapter_of(GOLDENS, host.operations), motion_of(GOLDENS, host.operations)


@pytest.fixture(scope="module")
def xdyna(host, networks):
    return loaded(*networks)


@pytest.fixture(scope="module")
def still(host, networks):
    """X-Dyna of files without motion modules."""
    return loaded(networks[0], None)


def tokens() -> torch.Tensor:
    return normal("tokens", 2, 16, 64)


def apply(
    host,
    xdyna,
    model=None,
    strength=1.0,
    group_norm="joint",
    window=16,
    overlap=4,
    seed=0,
    cells=CELLS,
    with_tokens=True,
):
    """The patched MODEL."""
    from sk_portrait.nodes.xdyna.apply import XDynaApply

    reference = {"samples": normal("portrait", 1, 4, cells, cells)}
    wires = {"tokens": tokens()} if with_tokens else {}
    return XDynaApply.execute(
        model or host.model, xdyna, reference, strength, group_norm, window, overlap, seed, **wires
    )[0]


def on_its_schedule(model):
    """The MODEL with nothing of X-Dyna but its noise schedule."""
    from sk_portrait.nodes.xdyna.apply import linear_schedule

    model = model.clone()
    model.add_object_patch("model_sampling", linear_schedule(model))
    return model


@pytest.fixture(scope="module")
def patched(host, xdyna):
    model = apply(host, xdyna)
    return model, host.sample(model)


def test_strength_0_is_the_model_bit_for_bit_and_more_is_not(host, xdyna, patched):
    plain = host.sample(host.model)
    assert torch.equal(host.sample(apply(host, xdyna, strength=0.0)), plain)
    assert relative_error(patched[1], plain) > 0.1


def test_the_model_is_the_same_after_its_clone_ran(host, patched):
    before = host.sample(host.model)
    names = list(host.model.model.state_dict())
    assert torch.equal(host.sample(patched[0]), patched[1])
    assert torch.equal(host.sample(host.model), before) and list(host.model.model.state_dict()) == names


def test_cond_and_uncond_apart_are_cond_and_uncond_together(host, patched, monkeypatch):
    model, together = patched
    sizes = []
    run = type(model.model.diffusion_model)._forward

    def counting(self, x, *args, **kwargs):
        sizes.append(len(x))
        return run(self, x, *args, **kwargs)

    monkeypatch.setattr(type(model.model.diffusion_model), "_forward", counting)
    monkeypatch.setattr(
        type(model.model), "memory_required", lambda self, *args, **kwargs: 1 << 60
    )  # ComfyUI then splits
    assert relative_error(host.sample(model), together) < 1e-5
    assert set(sizes) == {FRAMES + 1}  # the reference rides along in each half


def test_one_window_is_the_whole_batch(host, xdyna, patched):
    assert relative_error(host.sample(apply(host, xdyna, window=0)), patched[1]) < 1e-5


def test_windows_begin_where_the_seed_says(host, xdyna):
    def clip(seed):
        return host.sample(apply(host, xdyna, window=4, overlap=1, seed=seed), frames=6, steps=1)

    one = clip(1)
    assert torch.equal(clip(1), one) and relative_error(clip(2), one) > 1e-3


def test_two_samplers_with_half_of_the_steps_each_are_one_with_all_of_them(host, xdyna):
    """The windows of a step begin where they begin in the whole run, and elsewhere in the next step."""
    model = apply(host, xdyna, window=4, overlap=1, seed=3)
    errors = split_errors(model, normal("noise", 6, 4, CELLS, CELLS))
    assert max(errors.values()) < 1e-5, errors


@pytest.fixture(scope="module")
def silent(host):
    """X-Dyna whose networks add nothing."""
    from sk_portrait.testing.golden_systems import adapter_of

    adapter = adapter_of(GOLDENS, host.operations)
    for term in (*adapter.reference.values(), *adapter.image.values()):
        for value in term.parameters():
            value.zero_()
    return loaded(adapter, None)


def hellomeme(host, model):
    return host.apply(host.reference(), drive(FRAMES), model=model)


def smiling(host, model):
    """With Apply W+, which acts in the attentions that X-Dyna acts in too."""
    from comfy.ldm.modules.attention import optimized_attention

    from sk_portrait.systems.wplus.patch import WPlusPatch
    from sk_portrait.testing.golden_systems import wplus_of
    from sk_portrait.unet.clip.curve import Curve
    from sk_portrait.unet.hosts import comfy_attention

    model = model.clone()
    slider = WPlusPatch(wplus_of(GOLDENS, host), normal("smile", 1, 18, 512), Curve((-0.7, 0.0, 0.7)))
    comfy_attention.bind(model, [slider], optimized_attention)
    return model


@pytest.mark.parametrize("beside", [hellomeme, smiling])
def test_others_act_on_the_frames_beside_it_in_either_order(host, silent, beside):
    """Where X-Dyna adds nothing and no norm is shared, what is left is the other one."""
    want = host.sample(on_its_schedule(beside(host, host.model)))
    behind = apply(host, silent, model=beside(host, host.model), group_norm="row by row")
    before = beside(host, apply(host, silent, group_norm="row by row"))
    assert (
        relative_error(host.sample(behind), want) < 1e-5 and relative_error(host.sample(before), want) < 1e-5
    )


def test_apply_motion_moves_a_picture_without_motion_modules(host, still, networks):
    motion = host.motion("animatediff")
    own = apply(host, loaded(networks[0], motion.module))
    theirs = host.move(motion, model=apply(host, still, window=0), blend="flat")
    assert relative_error(host.sample(theirs), host.sample(own)) < 1e-5


@pytest.mark.parametrize(
    "first, words",
    [
        ("X-Dyna", "X-Dyna on this MODEL has motion modules of its own"),
        ("Apply Motion", "This MODEL already has a motion module"),
    ],
)
def test_motion_twice_is_refused(host, xdyna, first, words):
    with pytest.raises(CombinationError, match=words):
        if first == "X-Dyna":
            host.move(host.motion("animatediff"), model=apply(host, xdyna))
        else:
            apply(host, xdyna, model=host.move(host.motion("animatediff")))


def test_a_second_picture_is_refused(host, still):
    with raises(CombinationError, other="X-Dyna"):
        apply(host, still, model=apply(host, still))


def test_anchored_frames_are_refused_in_either_order(host, still):
    from sk_portrait.nodes.freeanimate.anchor import AnchorFrames

    def anchored(model):
        return AnchorFrames.execute(
            model, 0, 0.0, 1.0, 1, {"samples": normal("portrait", 1, 4, CELLS, CELLS)}
        )[0]

    with raises(CombinationError, other="X-Dyna"):
        anchored(apply(host, still))
    with raises(CombinationError, other="Lock Frames to Reference (RA-SA)"):
        apply(host, still, model=anchored(host.model))


def test_a_reference_of_another_size_is_refused(host, xdyna):
    with raises(SizeError, size=(64, 64), expected=(128, 128)):
        host.sample(apply(host, xdyna, cells=8))


@pytest.mark.parametrize(("window", "overlap"), [(32, 4), (4, 4)])
def test_an_impossible_window_is_refused(host, xdyna, window, overlap):
    with raises(SettingError):
        apply(host, xdyna, window=window, overlap=overlap)


def test_its_steps_are_those_of_its_models_schedule(host, patched):
    from sk_portrait.nodes.xdyna.start import XDynaSteps

    sigmas = XDynaSteps.execute(25)[0]
    schedule = patched[0].get_model_object("model_sampling")
    assert schedule.timestep(sigmas[:-1]).tolist() == list(range(961, 0, -40)) and sigmas[-1] == 0


def test_the_start_is_the_reference_by_halves():
    from sk_portrait.nodes.xdyna.start import BlurredStart

    reference = {"samples": normal("portrait", 1, 4, CELLS, CELLS)}
    start = BlurredStart.execute(reference, 8, 5)[0]["samples"]
    kept = (start == reference["samples"]).float().mean()
    assert start.shape == (8, 4, CELLS, CELLS) and 0.45 < kept < 0.55
    assert torch.equal(BlurredStart.execute(reference, 8, 5)[0]["samples"], start)
    with pytest.raises(SingleInputError, match="one picture"):
        BlurredStart.execute({"samples": start}, 8, 5)


def control(channels: int):
    """A ControlNet of ComfyUI that takes pictures of so many channels."""
    import comfy.controlnet

    from sk_portrait.testing.golden_systems import controlnet_of

    return comfy.controlnet.ControlNet(
        controlnet_of(GOLDENS, {3: "pose", 6: "face"}[channels]), load_device=torch.device("cpu")
    )


def test_both_controlnets_sum_on_both_halves_of_guidance(host, comfy):
    from sk_portrait.nodes.xdyna.hints import XDynaHints

    pictures = {name: normal(name, FRAMES, 128, 128, 3) for name in ("pose", "local", "whole")}
    positive, negative = XDynaHints.execute(
        prompt("+"),
        prompt("-"),
        1.0,
        0.5,
        control(3),
        pictures["pose"],
        control(6),
        pictures["local"],
        pictures["whole"],
    ).args
    face = positive[0][1]["control"]
    assert face is negative[0][1]["control"]  # or ComfyUI could not run the halves together
    assert (face.strength, face.cond_hint_original.shape[1]) == (0.5, 6)
    assert (face.previous_controlnet.strength, face.previous_controlnet.cond_hint_original.shape[1]) == (
        1.0,
        3,
    )
    assert face.cond_hint_original[:, :3].amin() == 0 and face.cond_hint_original[:, :3].amax() == 1


def test_controlnets_that_were_exchanged_are_refused(comfy):
    from sk_portrait.nodes.xdyna.hints import XDynaHints

    pose = torch.rand(FRAMES, 128, 128, 3)
    with raises(ModelError, found=6):
        XDynaHints.execute(prompt("+"), prompt("-"), 1.0, 1.0, control(6), pose)
    with raises(MissingInputError, inputs=("whole",)):
        XDynaHints.execute(prompt("+"), prompt("-"), 1.0, 1.0, face_control=control(6), local=pose)
