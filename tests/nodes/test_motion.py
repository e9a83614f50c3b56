"""Load HelloMeme Motion Module and Apply Motion on the real ComfyUI: seams, strength, windows, ControlNet pictures."""

from __future__ import annotations

import pytest
import torch

from sk_portrait.errors import SettingError
from sk_portrait.testing.compare import relative_error
from sk_portrait.testing.raised import raises
from sk_portrait.testing.split_sampling import split_errors
from sk_portrait.testing.tiny_models import drive, normal, prompt
from sk_portrait.testing.tiny_motion import in_host_windows, shared_noise
from sk_portrait.unet.clip.keyframes import batches
from sk_portrait.unet.clip.windows import Plan

pytestmark = pytest.mark.comfy

SMALL = 8


@pytest.fixture(scope="module")
def animatediff(host):
    return host.motion("animatediff")


def alone(host, model, frames: int, batch: int):
    """The frames without motion, `batch` of them in a UNet call."""
    from sk_portrait.nodes.windows import see_in_windows

    model = model.clone()
    plan = Plan.of(batches(frames, batch), True, range(frames), frames)
    see_in_windows(model, lambda n, step: plan, batch)
    return host.sample(model, frames, SMALL, noise=shared_noise(frames, SMALL))


@pytest.mark.parametrize("blend", ["smooth", "flat"])
@pytest.mark.parametrize(("length", "overlap"), [(1, 0), (4, 0), (4, 3), (12, 1), (12, 4), (12, 11)])
def test_untrained_motion_leaves_no_seam_bit_for_bit(host, length, overlap, blend):
    """The UNet itself gives other last bits for other batch sizes, so the frames without motion go through it as many at a time."""
    model = host.apply(drive=drive(24, cells=SMALL))
    moving = host.move(host.still_motion(), length, overlap, blend, model=model)
    moved = host.sample(moving, 24, SMALL, noise=shared_noise(24, SMALL))
    assert torch.equal(moved, alone(host, model, 24, length))


@pytest.mark.parametrize("kind", ["animatediff", "v5"])
def test_two_samplers_with_half_of_the_steps_each_are_one_with_all_of_them(host, kind):
    moving = host.move(host.motion(kind), 4, 2, percent_range=(0.3, 0.7))
    errors = split_errors(moving, normal("noise", 6, 4, SMALL, SMALL))
    assert max(errors.values()) < 1e-5, errors


def test_motion_changes_the_picture(host, animatediff):
    still = host.sample(host.model, 5, SMALL)
    for motion in (animatediff, host.motion("v3"), host.motion("v5")):
        assert (host.sample(host.move(motion), 5, SMALL) - still).abs().max() > 1e-1


@pytest.mark.parametrize("kind", ["animatediff", "v3", "v5"])
@pytest.mark.parametrize(
    "options", [{"strength": 0.0}, {"percent_range": (0.4, 0.4)}, {"percent_range": (0.7, 0.2)}]
)
def test_nothing_asked_is_the_model_bit_for_bit(host, kind, options):
    plain = host.sample(host.model, 5, SMALL)
    assert torch.equal(host.sample(host.move(host.motion(kind), **options), 5, SMALL), plain)


def test_the_model_is_the_same_before_and_after_its_clone_moved(host, animatediff):
    plain, names = host.sample(host.model, 5, SMALL), list(host.model.model.state_dict())
    host.sample(host.move(animatediff), 5, SMALL)
    assert list(host.model.model.state_dict()) == names
    assert torch.equal(host.sample(host.model, 5, SMALL), plain)


@pytest.mark.parametrize("kind", ["animatediff", "v3", "v5"])
def test_cond_and_uncond_apart_are_cond_and_uncond_together(host, kind, monkeypatch):
    moving = host.move(host.motion(kind), 4, 2)
    together = host.sample(moving, 6, SMALL)
    monkeypatch.setattr(
        type(moving.model), "memory_required", lambda self, *args, **kwargs: 1 << 60
    )  # ComfyUI then splits
    apart = host.sample(moving, 6, SMALL)
    assert relative_error(apart, together) < 1e-5


def test_modules_stand_after_the_layers_and_before_what_changes_the_size(host):
    from sk_portrait.unet.hosts.comfy_injection import Injection, TemporalPatch
    from sk_portrait.unet.networks.animatediff import AnimateDiff
    from sk_portrait.unet.patches import WeightedPatch

    unet, widths = host.model.model.diffusion_model, (32, 64, 128, 128)
    injection = Injection(WeightedPatch(TemporalPatch(AnimateDiff(widths, widths[::-1], mid=128))))

    def layers():
        blocks = {"in": unet.input_blocks, "mid": [unet.middle_block], "out": unet.output_blocks}
        return {
            (side, i): [type(x).__name__ for x in block]
            for side, all_ in blocks.items()
            for i, block in enumerate(all_)
        }

    before = layers()
    injection.inject(host.model)
    injection.inject(host.model)  # ComfyUI may do so twice
    moving = layers()
    injection.eject(host.model)
    assert layers() == before
    assert moving["mid", 0] == ["ResBlock", "SpatialTransformer", "Marker", "ResBlock"]
    assert moving["out", 2] == ["ResBlock", "Marker", "Upsample"]
    assert moving["out", 5] == ["ResBlock", "SpatialTransformer", "Marker", "Upsample"]
    assert {place for place, kinds in moving.items() if "Marker" not in kinds} == {
        ("in", i) for i in (0, 3, 6, 9)
    }


def test_half_a_strength_lies_between(host, animatediff):
    none, half, full = (
        host.sample(host.move(animatediff, strength=s), 5, SMALL, steps=1) for s in (0.0, 0.5, 1.0)
    )
    assert 0 < (half - none).abs().mean() < (full - none).abs().mean()


def test_a_batch_that_fits_in_one_window_needs_none(host, animatediff):
    windowed = host.sample(host.move(animatediff, 12), 6, SMALL)
    assert torch.equal(windowed, host.sample(host.move(animatediff, 0), 6, SMALL))


def test_v3s_two_modules_can_be_applied_in_either_order(host, animatediff):
    sk = host.motion("v3")
    one = host.sample(host.move(animatediff, model=host.move(sk)), 6, SMALL)
    assert torch.equal(one, host.sample(host.move(sk, model=host.move(animatediff)), 6, SMALL))


def test_each_window_gets_the_drive_of_its_own_frames(host):
    clip = drive(10, cells=SMALL)
    model = host.apply(drive=clip)
    windowed = host.sample(
        host.move(host.still_motion(), 4, 2, model=model), 10, SMALL, noise=shared_noise(10, SMALL)
    )
    whole = host.sample(model, 10, SMALL, noise=shared_noise(10, SMALL))
    assert relative_error(windowed, whole) < 1e-5


def noting(pictures, previous=None):
    """A control that notes the pictures it is shown, one list a UNet call, and adds nothing."""
    import comfy.controlnet

    class Control(comfy.controlnet.ControlBase):
        seen: list = []
        resized: list = []

        def get_control(self, x_noisy, *args):
            if self.cond_hint is None:  # ComfyUI's own resize their pictures then
                self.cond_hint = self.cond_hint_original
                self.resized.append(len(self.cond_hint))
            if self.previous_controlnet:
                self.previous_controlnet.get_control(x_noisy, *args)
            hint = comfy.controlnet.broadcast_image_to(self.cond_hint_original, len(x_noisy), args[2])
            self.seen.append(hint.flatten().tolist())

    control = Control().set_previous_controlnet(previous)
    control.cond_hint_original = pictures
    return control


def test_controlnets_see_the_pictures_of_each_window(host, animatediff):
    import comfy.sample

    inner = noting(torch.arange(10.0).view(-1, 1, 1, 1))
    outer = noting(
        torch.arange(3.0).view(-1, 1, 1, 1), inner
    )  # fewer pictures than frames: ComfyUI begins them again
    positive, negative = ([[text, {"control": outer}] for text, _ in prompt(sign)] for sign in "+-")
    noise = normal("noise", 10, 4, SMALL, SMALL)
    moving = host.move(animatediff, 4, 1)
    comfy.sample.sample(
        moving,
        noise,
        2,
        2.0,
        "euler",
        "normal",
        positive,
        negative,
        torch.zeros_like(noise),
        disable_pbar=True,
    )
    windows = [[0, 1, 2, 3], [3, 4, 5, 6], [6, 7, 8, 9]] * 2
    assert inner.resized == outer.resized == [4] * 3  # once a window, not once a step
    assert inner.seen == [window * 2 for window in windows]  # cond and uncond
    assert outer.seen == [[frame % 3 for frame in window] * 2 for window in windows]


@pytest.mark.parametrize(
    ("length", "overlap", "setting", "value"), [(40, 4, "window_length", 40), (4, 4, "overlap", 4)]
)
def test_impossible_windows_are_named(host, animatediff, length, overlap, setting, value):
    with raises(SettingError, setting=setting, value=value):
        host.move(animatediff, length, overlap)


def test_the_hosts_own_windows_drive_the_motion(host, animatediff):
    """0.3.64's windows fail for frames in the batch dimension; newer ones also send an anchor frame with each window."""
    model = host.apply(drive=drive(10, cells=SMALL), model=host.move(host.still_motion(), 0))
    windowed = in_host_windows(model, context_length=4, context_overlap=2, context_schedule="standard_static")
    whole = host.sample(model, 10, SMALL, noise=shared_noise(10, SMALL))
    assert relative_error(host.sample(windowed, 10, SMALL, noise=shared_noise(10, SMALL)), whole) < 1e-5
