"""The patched MODEL on the real ComfyUI: identity where nothing acts, exactness however ComfyUI batches, one sentence for bad input."""

from __future__ import annotations

import pytest
import torch

from sk_portrait.errors import FrameCountError, ModelError, SingleInputError, SizeError, VersionError
from sk_portrait.testing.compare import relative_error
from sk_portrait.testing.raised import raises
from sk_portrait.testing.tiny_models import drive, normal, prompt

pytestmark = pytest.mark.comfy

CLOSE = {"rtol": 0, "atol": 1e-5}


@pytest.fixture(scope="module")
def reference(host):
    return host.reference("v2")


def test_reference_and_drive_change_the_picture(host, reference):
    plain = host.sample(host.model)
    for patched in (host.apply(reference), host.apply(drive=drive(3)), host.apply(reference, drive(3))):
        assert relative_error(host.sample(patched), plain) > 1e-2


@pytest.mark.parametrize(
    "options", [{"strengths": (0.0, 0.0)}, {"percent_range": (0.4, 0.4)}, {"percent_range": (0.7, 0.2)}]
)
def test_nothing_asked_is_the_model_bit_for_bit(host, reference, options):
    plain = host.sample(host.model)
    assert torch.equal(host.sample(host.apply(reference, drive(3), **options)), plain)


def test_the_model_is_the_same_before_and_after_its_clone_ran(host, reference):
    before = host.sample(host.model)
    weights = {key: value.clone() for key, value in host.model.model.state_dict().items()}
    host.sample(host.apply(reference, drive(3)))
    assert torch.equal(host.sample(host.model), before)
    after = host.model.model.state_dict()
    assert weights.keys() == after.keys() and all(
        torch.equal(after[key], value) for key, value in weights.items()
    )


def test_cond_and_uncond_apart_are_cond_and_uncond_together(host, reference, monkeypatch):
    patched = host.apply(reference, drive(3))
    together = host.sample(patched)
    calls = []
    forward = type(patched.model.diffusion_model).forward

    def counting(self, x, *args, **kwargs):
        calls.append(len(x))
        return forward(self, x, *args, **kwargs)

    monkeypatch.setattr(type(patched.model.diffusion_model), "forward", counting)
    monkeypatch.setattr(
        type(patched.model), "memory_required", lambda self, *args, **kwargs: 1 << 60
    )  # ComfyUI then splits
    apart = host.sample(patched)
    assert set(calls) == {3}
    assert relative_error(apart, together) < 1e-5


def test_a_batch_of_frames_is_every_frame_alone(host, reference):
    clip, noise = drive(3), normal("noise", 3, 4, 16, 16)
    batch = host.sample(host.apply(reference, clip), noise=noise)
    for k in range(3):
        alone = type(clip)({s: f[k : k + 1] for s, f in clip.features.items()}, clip.null, clip.versions)
        assert (
            relative_error(
                host.sample(host.apply(reference, alone), noise=noise[k : k + 1]), batch[k : k + 1]
            )
            < 1e-5
        )


def test_the_order_of_nodes_does_not_matter(host, reference):
    one = host.apply(drive=drive(3), model=host.apply(reference))
    two = host.apply(reference, model=host.apply(drive=drive(3)))
    assert torch.equal(host.sample(one), host.sample(two))
    assert torch.equal(host.sample(one), host.sample(host.apply(reference, drive(3))))


def test_a_black_mask_is_the_plain_model_and_a_white_one_the_patched(host, reference):
    plain, patched = host.sample(host.model), host.sample(host.apply(reference, drive(3)))
    black = host.apply(reference, drive(3), mask=torch.zeros(1, 64, 64))
    white = host.apply(reference, drive(3), mask=torch.ones(3, 64, 64))
    assert relative_error(host.sample(black), plain) < 1e-6
    assert relative_error(host.sample(white), patched) < 1e-5


def test_a_mask_a_frame_acts_on_its_frame_alone(host, reference):
    mask = torch.zeros(3, 64, 64)
    mask[1] = 1
    plain, patched = host.sample(host.model), host.sample(host.apply(reference, drive(3)))
    masked = host.sample(host.apply(reference, drive(3), mask=mask))
    assert relative_error(masked[[0, 2]], plain[[0, 2]]) < 1e-6
    assert relative_error(masked[1], patched[1]) < 1e-5


def test_strength_is_continuous_and_one_is_the_published_network(host, reference):
    plain, full = host.sample(host.model, steps=1), host.sample(host.apply(reference), steps=1)
    half = host.sample(host.apply(reference, strengths=(0.5, 1.0)), steps=1)
    assert 0 < relative_error(half, plain) < relative_error(full, plain)


def test_the_end_percent_leaves_the_last_steps_to_the_model(host, reference):
    late = host.sample(host.apply(reference, percent_range=(0.0, 0.999)), steps=4)
    early = host.sample(host.apply(reference, percent_range=(0.0, 0.3)), steps=4)
    whole = host.sample(host.apply(reference), steps=4)
    assert relative_error(late, whole) < relative_error(early, whole)


def test_a_second_run_is_the_first_and_keeps_nothing(host, reference):
    patched = host.apply(reference, drive(3))
    first = host.sample(patched)
    from sk_portrait.unet.hosts.comfy_hooks import bound

    assert all(not getattr(w.patch, "_projected", None) for w in bound(patched))
    assert torch.equal(host.sample(patched), first)


def test_shared_noise_gives_every_frame_the_same_start(host):
    import comfy.sample

    latent = host.noise_node.execute(drive(5), {"samples": torch.zeros(1, 4, 16, 16)})[0]
    noise = comfy.sample.prepare_noise(latent["samples"], 7, latent["batch_index"])
    assert noise.shape[0] == 5 and all(torch.equal(noise[0], row) for row in noise)


@pytest.mark.parametrize("sampler", ["euler", "dpmpp_2m_sde", "heun", "lcm"])
def test_any_sampler_works(host, reference, sampler):
    assert torch.isfinite(host.sample(host.apply(reference, drive(3)), sampler=sampler)).all()


def test_a_lora_on_the_reference_model_colours_the_reference_and_only_it(host):
    lora = host.model.clone()
    key = "diffusion_model.input_blocks.1.1.proj_in.weight"
    lora.add_patches({key: ("diff", (torch.ones(32, 32, 1, 1),))}, 0.5)
    plain, coloured = host.reference("v2"), host.reference("v2", model=lora)
    assert any(not torch.equal(plain.features[s], coloured.features[s]) for s in plain.features)
    again = host.reference("v2")
    assert all(torch.equal(plain.features[s], again.features[s]) for s in plain.features)


class TestBadInput:
    """One clear sentence with the values."""

    def test_a_model_that_is_not_sd15(self, host, reference):
        import comfy.supported_models

        other = host.model.clone()
        kept = other.model.model_config
        other.model.model_config = comfy.supported_models.SDXL({"in_channels": 4})
        try:
            with raises(ModelError, found="SDXL"):
                host.apply(reference, model=other)
            with raises(ModelError, found="SDXL"):
                host.reference(model=other)
        finally:
            other.model.model_config = kept

    def test_a_v1_adapter_with_a_v2_drive(self, host):
        with pytest.raises(
            VersionError, match="A v1 reference and a v2 drive.*v1: hm_reference with hm_control"
        ):
            host.apply(host.reference("v1"), drive(3, "v2"))

    def test_a_latent_of_another_shape_than_the_reference(self, host, reference):
        with raises(SizeError, size=(128, 128), expected=(128, 256)):
            host.sample(host.apply(reference), noise=normal("tall", 3, 4, 32, 16))

    @pytest.mark.parametrize("frames", [2, 4])
    def test_a_track_shorter_or_longer_than_the_batch(self, host, reference, frames):
        with raises(FrameCountError, what="drive", frames=frames, expected=3):
            host.sample(host.apply(reference, drive(frames)), frames=3)

    def test_a_drive_drawn_at_another_shape(self, host):
        with pytest.raises(SizeError, match="draw the head pose at the size that is sampled"):
            host.sample(host.apply(drive=drive(3)), noise=normal("tall", 3, 4, 32, 16))

    def test_two_portraits(self, host):
        latent = {"samples": normal("two", 2, 4, 16, 16)}
        with raises(SingleInputError, count=2):
            host.encode_node.execute(host.model, host.adapter("v2"), prompt("+"), prompt("-"), latent)

    def test_a_prompt_a_frame_for_the_one_picture_of_the_reference(self, host):
        travel = [[normal("travel", 5, 7, 64), {}]]
        latent = {"samples": normal("one", 1, 4, 16, 16)}
        with raises(SingleInputError, count=5):
            host.encode_node.execute(host.model, host.adapter("v2"), travel, prompt("-"), latent)

    def test_a_mask_of_another_length(self, host, reference):
        with raises(FrameCountError, what="mask", frames=2, expected=3):
            host.sample(host.apply(reference, mask=torch.ones(2, 8, 8)))

    def test_a_latent_batch_that_is_neither_one_nor_the_clip(self, host):
        with raises(FrameCountError, frames=2, expected=5):
            host.noise_node.execute(drive(5), {"samples": torch.zeros(2, 4, 16, 16)})
