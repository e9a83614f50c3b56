"""The Portrait Video Sampler on the real ComfyUI: every length, one result for one seed, resume, Cancel."""

from __future__ import annotations

import pytest
import torch

from sk_portrait.errors import CombinationError, FrameCountError
from sk_portrait.testing.raised import raises
from sk_portrait.testing.split_sampling import whole
from sk_portrait.testing.tiny_models import drive, normal, prompt
from sk_portrait.unet.clip.curve import Curve
from sk_portrait.unet.strengths import Strengths

pytestmark = pytest.mark.comfy

KINDS = {"v2": ["animatediff"], "v3": ["v3", "animatediff"], "v5": ["v5"]}
LENGTHS = [1, 2, 11, 12, 13, 23, 34, 45, 100, 150]
SMALL = 8  # cells: the least that the UNet can halve three times


@pytest.fixture(scope="module")
def motions(host):
    return {kind: [host.motion(name) for name in names] for kind, names in KINDS.items()}


@pytest.mark.parametrize("frames", LENGTHS)
@pytest.mark.parametrize("kind", KINDS)
def test_every_length_of_clip(host, motions, kind, frames):
    video, first = host.video(motions[kind], frames, cells=SMALL)
    assert video.shape == (frames, 4, SMALL, SMALL) and torch.isfinite(video).all()
    assert torch.isfinite(first).all()


@pytest.mark.parametrize("frames", [1, 3, 13, 23])
@pytest.mark.parametrize("kind", KINDS)
def test_the_published_method_no_longer_fails_at_the_lengths_where_its_code_does(host, motions, kind, frames):
    video, _ = host.video(motions[kind], frames, cells=SMALL, method="official code")
    assert video.shape[0] == frames and torch.isfinite(video).all()


@pytest.mark.parametrize("kind", KINDS)
def test_the_seed_alone_decides(host, motions, kind):
    one, again = (host.video(motions[kind], 14, cells=SMALL, seed=5)[0] for _ in range(2))
    assert torch.equal(one, again)
    assert not torch.allclose(one, host.video(motions[kind], 14, cells=SMALL, seed=6)[0])


@pytest.mark.parametrize("method", ["paper", "official code"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_saved_first_stage_resumes_to_the_same_video(host, motions, kind, method):
    video, first = host.video(motions[kind], 14, cells=SMALL, method=method)
    resumed, _ = host.video(motions[kind], 14, cells=SMALL, method=method, stage1={"samples": first})
    assert torch.equal(resumed, video)


def test_another_sampler_may_take_the_last_steps_of_the_second_stage(host, motions):
    """Strengths by step and percents go on where they were: the video is that of one sampler."""
    import comfy.samplers
    from comfy_extras.nodes_custom_sampler import Noise_RandomNoise

    strengths = Strengths(steps=Curve.parse("0: 1, 100: 0.2"))
    portrait = host.reference(cells=SMALL), drive(5, cells=SMALL), None, strengths, strengths
    model = host.apply_node.execute(host.model, 1.0, 1.0, 0.2, 1.0, *portrait)[0]
    sigmas, euler = host.sigmas(4), comfy.samplers.sampler_object("euler")
    wires = {"latent_image": {"samples": torch.zeros(5, 4, SMALL, SMALL)}, "motion": motions["v2"][0]}
    settings = {"stage1_steps": 10, "window_length": 4, "overlap": 2, "method": "paper"}
    settings |= {"stage1_sigmas": host.sigmas(2)}

    def video(part: torch.Tensor) -> torch.Tensor:
        noise, guider = Noise_RandomNoise(1), host.guider(model)
        return host.two_stage.execute(noise, guider, euler, part, **wires, **settings)[0]["samples"]

    one, high = video(sigmas), video(sigmas[:3])
    moving = host.move(motions["v2"][0], 4, 2, model=model)
    both = whole(moving, torch.zeros_like(high), high, sigmas[2:], 2.0)
    assert (both - one).abs().max() < 1e-5 * one.abs().max()


@pytest.mark.parametrize("kind", KINDS)
def test_any_guider_and_any_sampler(host, motions, kind):
    from comfy_extras.nodes_custom_sampler import Guider_Basic

    basic = Guider_Basic(host.model)
    basic.set_conds(prompt("+"))
    for guider in (basic, host.guider(cfg=1.0)):
        video, again = (
            host.video(motions[kind], 14, 2, SMALL, guider=guider, sampler="dpmpp_2m_sde")[0]
            for _ in range(2)
        )
        assert torch.isfinite(video).all() and torch.equal(video, again)


@pytest.mark.parametrize("kind", KINDS)
def test_no_steps_leave_the_clip_as_it_is(host, motions, kind, monkeypatch):
    monkeypatch.setattr(
        host, "sigmas", lambda steps: torch.tensor([])
    )  # what ComfyUI's schedulers give at denoise 0
    clip = {"samples": normal("clip", 14, 4, SMALL, SMALL)}
    video, _ = host.video(motions[kind], 14, latent_image=clip)
    assert torch.equal(video, clip["samples"])


def test_the_first_stage_keeps_to_the_noise_levels_of_the_second(comfy):
    from sk_portrait.nodes.hellomeme.clip_stages import thinned

    sigmas = torch.arange(25.0, -1, -1)
    assert thinned(sigmas, 10).tolist() == [25, 23, 20, 17, 15, 13, 10, 7, 5, 3, 0]
    assert torch.equal(thinned(sigmas, 40), sigmas)


@pytest.mark.parametrize("kind", KINDS)
def test_a_noise_mask_keeps_its_frames(host, motions, kind):
    clip = {"samples": normal("clip", 14, 4, SMALL, SMALL), "noise_mask": torch.ones(14, SMALL, SMALL)}
    clip["noise_mask"][9] = 0
    video, _ = host.video(motions[kind], 14, 2, SMALL, latent_image=clip)
    kept = (video - clip["samples"]).flatten(1).abs().amax(1) < 1e-4
    assert kept.tolist() == [frame == 9 for frame in range(14)]


def test_a_model_that_already_moves_is_refused(host, motions):
    for motion in motions["v3"]:
        with raises(CombinationError, other="Apply HelloMeme Motion Module"):
            host.video(motions["v2"], 5, cells=SMALL, guider=host.guider(host.move(motion)))


def test_the_progress_bar_ends_full(host, motions, monkeypatch):
    import comfy.utils

    bars = []

    class Bar(comfy.utils.ProgressBar):
        def __init__(self, total, *args, **kwargs):
            super().__init__(total, *args, **kwargs)
            bars.append(self)

    monkeypatch.setattr(comfy.utils, "ProgressBar", Bar)
    for kind in KINDS:
        _, first = host.video(motions[kind], 14, 2, SMALL)
        host.video(motions[kind], 14, 2, SMALL, stage1={"samples": first})
    assert [bar.current for bar in bars] == [bar.total for bar in bars]


def test_the_first_stage_of_the_paper_is_every_frame_alone_from_one_noise(host, motions):
    _, first = host.video(motions["v2"], 14, cells=SMALL)
    assert (
        first - first[:1]
    ).abs().max() < 1e-5 * first.abs().max()  # nothing drives it, so all frames are one


@pytest.mark.parametrize("kind", KINDS)
def test_the_more_noise_frames_share_the_more_alike_they_are(host, motions, kind):
    clips = [host.video(motions[kind], 14, cells=SMALL, shared_noise=share)[0] for share in (0.0, 0.5, 1.0)]
    none, half, all_ = ((clip[1:] - clip[:-1]).abs().mean() for clip in clips)
    assert all_ < half < none


def test_the_drive_reaches_every_frame_of_both_stages(host, motions):
    clip = drive(14, cells=SMALL)
    video, first = host.video(motions["v2"], 14, cells=SMALL, guider=host.guider(host.apply(drive=clip)))
    assert (first[1:] - first[:-1]).flatten(1).abs().amax(1).gt(1e-2).all()
    clip.features["up_3"][9] += 1
    _, other = host.video(motions["v2"], 14, cells=SMALL, guider=host.guider(host.apply(drive=clip)))
    changed = (first - other).flatten(1).abs().amax(1) > 1e-2
    assert changed.tolist() == [frame == 9 for frame in range(14)]


def test_a_drive_of_another_length_is_named_with_both(host, motions):
    with raises(FrameCountError, what="drive", frames=10, expected=14):
        host.video(
            motions["v2"], 14, cells=SMALL, guider=host.guider(host.apply(drive=drive(10, cells=SMALL)))
        )


@pytest.mark.parametrize(("kind", "frames"), [("v2", 14), ("v3", 14), ("v5", 14), ("v5", 5)])
def test_a_first_stage_of_another_clip_is_named_with_both(host, motions, kind, frames):
    expected = 14 if kind == "v2" else 3 * (frames == 14)
    with raises(FrameCountError, frames=9, expected=expected):
        host.video(motions[kind], frames, cells=SMALL, stage1={"samples": torch.zeros(9, 4, SMALL, SMALL)})


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("call", [0, 1, 3])
def test_cancel_stops_before_the_next_unet_call_and_the_next_run_is_right(
    host, motions, kind, call, monkeypatch
):
    import comfy.model_management

    right, _ = host.video(motions[kind], 14, cells=SMALL)
    calls = []
    forward = type(host.model.model.diffusion_model).forward

    def cancelling(self, x, *args, **kwargs):
        calls.append(len(x))
        if len(calls) == call + 1:
            comfy.model_management.interrupt_current_processing(True)
        return forward(self, x, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(type(host.model.model.diffusion_model), "forward", cancelling)
        with pytest.raises(comfy.model_management.InterruptProcessingException):
            host.video(motions[kind], 14, cells=SMALL)
    assert len(calls) == call + 1
    assert torch.equal(host.video(motions[kind], 14, cells=SMALL)[0], right)


def test_the_model_is_the_same_before_and_after(host, motions):
    before, names = host.sample(host.model), list(host.model.model.state_dict())
    host.video(motions["v3"], 14, cells=SMALL)
    assert list(host.model.model.state_dict()) == names
    assert torch.equal(host.sample(host.model), before)
