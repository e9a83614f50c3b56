"""RA-SA and IBA on the real ComfyUI: the way up and down again, who may be beside, bad input. test_compose: exactness."""

from __future__ import annotations

import pytest
import torch

from sk_portrait.errors import (
    CombinationError,
    FrameCountError,
    MissingInputError,
    SettingError,
    SingleInputError,
    SizeError,
)
from sk_portrait.systems.freeanimate.trajectory import ScheduleError
from sk_portrait.testing.compare import relative_error
from sk_portrait.testing.raised import raises
from sk_portrait.testing.split_sampling import split_errors
from sk_portrait.testing.tiny_models import drive, normal, prompt

pytestmark = pytest.mark.comfy

SMALL = 8  # cells
STEPS = 3


@pytest.fixture(scope="module")
def host(comfy):
    from sk_portrait.nodes.freeanimate.anchor import AnchorFrames
    from sk_portrait.nodes.freeanimate.apply_inversion import HERE, TEXT_IN_COND, ApplyInversion
    from sk_portrait.nodes.freeanimate.invert import HERE as OWN
    from sk_portrait.nodes.freeanimate.invert import InvertFrames
    from sk_portrait.testing.tiny_motion import MovingHost

    class AnchoredHost(MovingHost):
        def anchor(self, model=None, first_level=0, percent_range=(0.0, 1.0), seed=0, cells=SMALL, **wires):
            """The MODEL with Lock Frames to Reference."""
            wires = wires or {"reference": {"samples": normal("anchor", 1, 4, cells, cells)}}
            return AnchorFrames.execute(model or self.model, first_level, *percent_range, seed, **wires)[0]

        def invert(self, frames=3, steps=STEPS, sigmas=None, **wires):
            """(trajectory, start) of Clip to Noise."""
            clip = frames and {"samples": normal("clip", frames, 4, SMALL, SMALL)}
            sigmas = self.sigmas(steps) if sigmas is None else sigmas
            path, start = InvertFrames.execute(
                self.model, prompt("+"), sigmas, first_level=0, timestep=OWN, frames=clip, **wires
            ).result
            return path, start["samples"]

        def boost(self, path, self_until=1.0, cross_until=1.0, largest_map=1 << 20, model=None):
            """The MODEL with Redraw Clip from Noise."""
            model = model or self.model
            return ApplyInversion.execute(
                model, path, self_until, cross_until, largest_map, TEXT_IN_COND, HERE, first_level=0
            )[0]

        def draw(self, model, start, cfg=1.0, steps=STEPS, sigmas=None):
            """Euler from an inverted start."""
            import comfy.samplers

            euler = comfy.samplers.sampler_object("euler")
            sigmas = self.sigmas(steps) if sigmas is None else sigmas
            return self.guider(model, cfg).sample(
                torch.zeros_like(start), start, euler, sigmas, disable_pbar=True, seed=0
            )

    return AnchoredHost()


@pytest.fixture(scope="module")
def inverted(host):
    return host.invert(reference={"samples": normal("anchor", 1, 4, SMALL, SMALL)})


class TestAnchor:
    def test_nothing_asked_is_the_model_bit_for_bit(self, host):
        assert torch.equal(
            host.sample(host.anchor(percent_range=(0.6, 0.4)), cells=SMALL),
            host.sample(host.model, cells=SMALL),
        )

    def test_frames_follow_the_reference_less_where_fewer_levels_read_it(self, host):
        noise = normal("noise", 3, 4, SMALL, SMALL)
        plain = host.sample(host.model, noise=noise)
        moved = [
            relative_error(host.sample(host.anchor(first_level=level), noise=noise), plain)
            for level in (0, 3)
        ]
        assert moved[0] > moved[1] > 1e-4

    def test_with_a_driven_clip_and_motion_in_either_order(self, host):
        def together(first, second):
            return host.sample(second(first(host.model)), cells=SMALL)

        def driven(model):
            return host.move(
                host.motion("animatediff"), 0, model=host.apply(drive=drive(3, cells=SMALL), model=model)
            )

        def anchored(model):
            return host.anchor(model=model)

        one = together(driven, anchored)
        assert relative_error(together(anchored, driven), one) < 1e-6
        assert relative_error(one, host.sample(driven(host.model), cells=SMALL)) > 1e-3

    def test_a_stretch_of_the_sampling(self, host):
        late = host.sample(host.anchor(percent_range=(0.0, 0.3)), cells=SMALL, steps=4)
        whole = host.sample(host.anchor(), cells=SMALL, steps=4)
        assert relative_error(late, whole) > 1e-4
        assert relative_error(late, host.sample(host.model, cells=SMALL, steps=4)) > 1e-4

    def test_two_samplers_with_half_of_the_steps_each_are_one_with_all_of_them(self, host):
        errors = split_errors(host.anchor(percent_range=(0.3, 0.7)), normal("noise", 3, 4, SMALL, SMALL))
        assert max(errors.values()) < 1e-5, errors


class TestInversion:
    def test_two_samplers_with_half_of_the_steps_each_are_one_with_all_of_them(self, host):
        path, start = host.invert(steps=4, reference={"samples": normal("anchor", 1, 4, SMALL, SMALL)})
        boosted = host.boost(path, self_until=0.75, cross_until=0.25)
        errors = split_errors(boosted, torch.zeros_like(start), start)
        assert max(errors.values()) < 1e-5, errors

    def test_down_again_is_where_it_came_from_the_closer_the_more_steps(self, host):
        clip = normal("clip", 3, 4, SMALL, SMALL)
        errors = []
        for steps in (4, 16):
            path, start = host.invert(steps=steps)
            errors.append(relative_error(host.draw(host.model, start, steps=steps), clip))
        assert errors[1] < errors[0] / 2

    def test_the_reference_goes_its_way_alone(self, host, inverted):
        path, _ = inverted
        alone, _ = host.invert(frames=1)
        assert path.anchor.shape == (STEPS + 1, 1, 4, SMALL, SMALL) and path.latents.shape == (
            STEPS + 1,
            3,
            4,
            SMALL,
            SMALL,
        )
        assert relative_error(alone.latents[0], path.latents[0, :1]) < 1e-6

    def test_pictures_are_encoded_as_they_would_be_by_hand(self, host, inverted):
        class VAE:
            def encode(self, pictures):
                assert pictures.shape == (3, 64, 64, 3)
                return normal("clip", 3, 4, SMALL, SMALL)

        path, start = host.invert(frames=None, images=torch.zeros(3, 64, 64, 4), vae=VAE())
        latents, latent_start = host.invert()
        assert torch.equal(path.latents, latents.latents) and torch.equal(start, latent_start)

    def test_maps_of_ones_own_change_nothing(self, host):
        """One step from the inverted start with the same prompt: the clip and the new one are the same there."""
        path, start = host.invert(steps=1)
        assert (
            relative_error(host.draw(host.boost(path), start, steps=1), host.draw(host.model, start, steps=1))
            < 1e-5
        )

    def test_ratio_0_is_the_model_bit_for_bit(self, host, inverted):
        path, start = inverted
        assert torch.equal(
            host.draw(host.boost(path, 0.0, 0.0), start, cfg=2.0), host.draw(host.model, start, cfg=2.0)
        )

    @pytest.mark.parametrize("ratios", [(1.0, 0.0), (0.0, 1.0), (0.34, 0.34)])
    def test_each_ratio_moves_the_result(self, host, inverted, ratios):
        path, start = inverted
        model = host.anchor(trajectory=path)
        assert (
            relative_error(
                host.draw(host.boost(path, *ratios), start, cfg=2.0), host.draw(model, start, cfg=2.0)
            )
            > 1e-3
        )

    def test_other_packs_find_as_many_equal_chunks_as_they_are_told_of(self, host, inverted):
        """IPAdapter divides the batch by the number of conditions."""
        path, start = inverted
        seen = set()

        def count(n, context, value, options):
            seen.add((len(n), len(options["cond_or_uncond"])))
            return n, context, value

        model = host.boost(path)
        model.set_model_attn2_patch(count)
        host.draw(model, start, cfg=2.0)
        assert seen == {(3 * (3 + 1), 3)}

    def test_with_a_driven_clip(self, host, inverted):
        path, start = inverted
        driven = host.apply(drive=drive(3, cells=SMALL))
        boosted = host.draw(host.boost(path, model=driven), start, cfg=2.0)
        assert (
            relative_error(boosted, host.draw(driven, start, cfg=2.0)) > 1e-3
            and torch.isfinite(boosted).all()
        )


class TestBadInput:
    def test_rows_of_two_nodes(self, host, inverted):
        with raises(CombinationError, other="Lock Frames to Reference (RA-SA)"):
            host.boost(inverted[0], model=host.anchor())
        with raises(CombinationError, other="Lock Frames to Reference (RA-SA)"):
            host.anchor(model=host.anchor())

    def test_a_schedule_that_was_not_inverted(self, host, inverted):
        with pytest.raises(ScheduleError, match="same SIGMAS, and with euler"):
            host.draw(host.boost(inverted[0]), inverted[1], steps=STEPS + 2)

    def test_a_clip_of_another_length(self, host, inverted):
        with raises(FrameCountError, what="inverted clip", frames=3, expected=4):
            host.draw(host.boost(inverted[0]), normal("start", 4, 4, SMALL, SMALL))

    def test_a_latent_of_another_size(self, host, inverted):
        with raises(SizeError, size=(64, 64), expected=(128, 128)):
            host.draw(host.boost(inverted[0]), normal("start", 3, 4, 16, 16))
        with raises(SizeError, size=(64, 64), expected=(128, 128)):
            host.sample(host.anchor())

    def test_sigmas_that_do_not_fall_to_0(self, host):
        with raises(ScheduleError, found=tuple(host.sigmas(STEPS)[:-1].tolist())):
            host.invert(sigmas=host.sigmas(STEPS)[:-1])

    def test_two_reference_pictures_or_no_reference(self, host):
        with raises(SingleInputError, count=2):
            host.anchor(reference={"samples": normal("two", 2, 4, SMALL, SMALL)})
        with raises(MissingInputError, inputs=("reference", "trajectory")):
            host.anchor(reference=None, trajectory=None)

    def test_a_trajectory_without_a_reference(self, host):
        with raises(MissingInputError, inputs=("reference",)):
            host.anchor(trajectory=host.invert(steps=1)[0])

    def test_a_clip_twice_not_at_all_or_without_a_vae(self, host):
        with raises(MissingInputError, inputs=("frames", "images")):
            host.invert(images=torch.zeros(3, 64, 64, 3))
        with raises(MissingInputError, inputs=("frames", "images")):
            host.invert(frames=None)
        with raises(MissingInputError, inputs=("vae",)):
            host.invert(frames=None, images=torch.zeros(3, 64, 64, 3))

    def test_maps_that_are_all_too_large(self, host):
        from sk_portrait.systems.freeanimate.trajectory import Trajectory

        path = Trajectory((1e-4, 1.0), (0.0, 0.0), torch.zeros(2, 1, 4, 64, 48), torch.zeros(1, 7, 64))
        with raises(SettingError, setting="largest_map", value=47):
            host.boost(path, largest_map=47)
        host.boost(path, self_until=0.0, largest_map=47)

    def test_without_maps_of_the_text_the_prompts_may_be_of_any_length(self, host, inverted):
        """A text repeated to 70 tokens, a multiple of the 7 of the inverted one, is the same text."""
        import comfy.samplers

        path, start = inverted

        def drawn(text: torch.Tensor) -> torch.Tensor:
            guider = comfy.samplers.CFGGuider(host.boost(path, cross_until=0.0))
            guider.set_conds([[text, {}]], prompt("-"))
            guider.set_cfg(1.0)
            euler, sigmas = comfy.samplers.sampler_object("euler"), host.sigmas(STEPS)
            return guider.sample(torch.zeros_like(start), start, euler, sigmas, disable_pbar=True)

        long = normal("long", 1, 10, 64)
        assert relative_error(drawn(long), drawn(long.repeat(1, 7, 1))) < 1e-5

    def test_prompts_of_another_length(self, host, inverted):
        import comfy.samplers

        path, start = inverted
        guider = comfy.samplers.CFGGuider(host.boost(path))
        guider.set_conds([[normal("long", 1, 10, 64), {}]], prompt("-"))
        guider.set_cfg(1.0)
        with raises(ScheduleError, found=(10,), expected=(7,)):
            guider.sample(
                torch.zeros_like(start),
                start,
                comfy.samplers.sampler_object("euler"),
                host.sigmas(STEPS),
                disable_pbar=True,
            )
