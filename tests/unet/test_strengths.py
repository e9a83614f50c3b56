"""Portrait Strength Schedule: by level, step and frame; where it is 0 the MODEL's own result stands, bit-identically."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sk_portrait.errors import ExclusiveInputError, FrameCountError, SettingError, TextError
from sk_portrait.testing.raised import raises
from sk_portrait.testing.split_sampling import split_errors, whole
from sk_portrait.testing.tiny_models import Host, drive, normal
from sk_portrait.unet.clip.curve import Curve
from sk_portrait.unet.clip.run import Run
from sk_portrait.unet.strengths import Strengths

FRAMES = 3


def test_a_curve_is_linear_between_its_places_and_a_list_is_spread_over_all():
    assert Curve.parse("0: 1, 100: 0").at(0.0, 25.0, 100.0) == (1.0, 0.75, 0.0)
    five = Curve((0.0, 1.0, 0.0, 1.0, 0.0))
    assert five.at(*(100 * step / 4 for step in range(5))) == five.values
    assert Curve((0.3,)).at(0.0, 70.0) == (0.3, 0.3)


@pytest.mark.parametrize(
    "text",
    [
        "0: 1, 24: 0.5",
        "0：1，24：0.5",
        "０：１；２４：０.５",
        "0: 1、24: 0.5",
        '"0": 1, "24": 0.5,',
        "0:(1), 24:(0.5)",
    ],
    ids=ascii,
)
def test_a_curve_is_read_as_other_packs_and_a_chinese_keyboard_write_it(text):
    assert Curve.parse(text) == Curve((1.0, 0.5), (0, 24))


def test_a_percent_is_the_same_noise_level_in_both_directions():
    levels = np.geomspace(0.03, 14.6, 1000)
    run = Run({}, (8, 8), lambda percent: float(np.interp((1 - percent) * 999, range(1000), levels)))
    for percent in (0.0, 0.25, 1 / 3, 0.5, 0.9, 1.0):
        assert run.percent_of(run.sigma_of(percent)) == pytest.approx(percent, abs=1e-6)
    assert (run.percent_of(100.0), run.percent_of(0.001)) == (0.0, 1.0)


@pytest.mark.parametrize("levels", [(14.0, 6.0, 1.0), (1.0, 6.0, 14.0)], ids=["denoising", "inverting"])
def test_numbers_count_the_steps_of_a_schedule(levels):
    strengths = Strengths(steps=Curve((0.0, 0.5, 1.0)), schedule=levels)
    run = Run({}, (8, 8), float)
    assert [strengths.at_step(run, level) for level in levels] == [0.0, 0.5, 1.0]
    assert strengths.at_step(run, 10.0) == (0.25 if levels[0] == 14.0 else 0.75)


def comfy_sigmas(model, scheduler: str, steps: int) -> torch.Tensor:
    import comfy.samplers

    return comfy.samplers.calculate_sigmas(model.get_model_object("model_sampling"), scheduler, steps)


@pytest.fixture(scope="module")
def host(comfy):
    from sk_portrait.nodes.hellomeme.strengths import PortraitStrengths

    class Strong(Host):
        def __init__(self):
            super().__init__()
            self.seen = self.reference("v1")
            self.noise = normal("noise", FRAMES, 4, 16, 16)

        def strengths(self, down=1.0, mid=1.0, up=1.0, stations="", steps="", frames="", **listed):
            """An SK_STRENGTHS."""
            return PortraitStrengths.execute(down, mid, up, stations, steps, frames, **listed)[0]

        def strengthened(self, percent_range=(0.0, 1.0), **options):
            """The MODEL with these strengths of reference and drive."""
            strengths = self.strengths(**options)
            return self.apply_node.execute(
                self.model,
                1.0,
                1.0,
                *percent_range,
                self.seen,
                drive(FRAMES, "v1"),
                None,
                strengths,
                strengths,
            )[0]

        def strong(self, count=2, **options):
            """What is sampled with them."""
            return self.sample(self.strengthened(**options), noise=self.noise, steps=count)

        def plain(self):
            return self.sample(self.model, noise=self.noise)

    return Strong()


@pytest.mark.comfy
class TestOnTheHost:
    @pytest.mark.parametrize(
        "nothing",
        [
            {"down": 0.0, "mid": 0.0, "up": 0.0},
            {"steps": "0: 0"},
            {"per_step": [0, 0]},
            {"frames": "0: 0"},
            {"per_frame": [0.0] * FRAMES},
        ],
        ids=str,
    )
    def test_nothing_anywhere_is_the_model_bit_for_bit(self, host, nothing):
        assert torch.equal(host.strong(**nothing), host.plain())

    def test_one_everywhere_is_apply_without_strengths_bit_for_bit(self, host):
        applied = host.apply(host.seen, drive(FRAMES, "v1"))
        assert torch.equal(
            host.strong(per_step=[1, 1], per_frame=[1, 1, 1]), host.sample(applied, noise=host.noise)
        )

    def test_a_frame_of_strength_0_is_the_models_own_and_its_neighbours_are_not(self, host):
        plain, strong = host.plain(), host.strong(per_frame=[1.0, 0.0, 0.5])
        assert torch.equal(strong[1], plain[1])
        whole = host.strong()
        assert (strong[0] - whole[0]).abs().max() < 1e-4 * whole.abs().max()
        assert 0.01 < (strong[2] - plain[2]).abs().max() < (whole[2] - plain[2]).abs().max()

    def test_the_last_steps_of_strength_0_are_those_of_a_span_that_ends(self, host):
        early = host.strong(count=4, per_step=[1, 1, 0, 0])
        assert torch.equal(early, host.strong(count=4, percent_range=(0.0, 0.6)))

    @pytest.mark.parametrize(
        "options",
        [
            {"steps": "0: 1, 40: 0.3, 100: 0"},
            {"per_step": [1.0, 0.2, 0.6]},
            {"percent_range": (0.3, 0.7)},
            {"percent_range": (0.0, 0.4)},
        ],
        ids=str,
    )
    def test_two_samplers_with_half_of_the_steps_each_are_one_with_all_of_them(self, host, options):
        errors = split_errors(host.strengthened(**options), host.noise)
        assert max(errors.values()) < 1e-5, errors

    @pytest.mark.parametrize("scheduler", ["karras", "simple"])
    def test_a_list_counts_the_steps_of_the_sigmas_beside_it_in_both_halves(self, host, scheduler):
        """Of a list that is 0 in the last two of four steps, the second half is the MODEL's own."""
        sigmas = comfy_sigmas(host.model, scheduler, 4)
        model = host.strengthened(per_step=[1.0, 1.0, 0.0, 0.0], sigmas=sigmas)
        empty, high = torch.zeros_like(host.noise), sigmas[:3]
        noisy = whole(model, host.noise, empty, high, 2.0)
        assert not torch.equal(noisy, whole(host.model, host.noise, empty, high, 2.0))
        late, plain = (whole(one, empty, noisy, sigmas[2:], 2.0) for one in (model, host.model))
        assert torch.equal(late, plain)

    def test_v1s_drive_acts_on_the_way_down_alone(self, host):
        strengths = host.strengths(down=0.0)
        without = host.apply_node.execute(
            host.model, 1.0, 1.0, 0.0, 1.0, None, drive(FRAMES, "v1"), None, strengths, strengths
        )[0]
        assert torch.equal(host.sample(without, noise=host.noise), host.plain())

    def test_a_boundary_is_named_alone(self, host):
        most = host.strong(stations="up_1: 0, up_2: 0, up_3: 0", down=0.0, mid=0.0)
        assert torch.equal(most, host.plain())
        assert not torch.equal(host.strong(stations="up_1: 0, up_2: 0", down=0.0, mid=0.0), host.plain())

    @pytest.mark.parametrize(
        ("options", "kind", "fields"),
        [
            ({"stations": "up_4: 1"}, TextError, {"text": "up_4: 1"}),
            ({"steps": "half: 1"}, TextError, {"text": "half: 1"}),
            ({"steps": "0: 1", "per_step": [1.0]}, ExclusiveInputError, {"inputs": ("steps", "per_step")}),
            ({"per_frame": [float("nan")]}, SettingError, {"setting": "per_frame"}),
            ({"per_frame": [1.0, 0.5]}, FrameCountError, {"frames": 2, "expected": 3}),
        ],
    )
    def test_bad_input_is_an_error_of_its_kind(self, host, options, kind, fields):
        with raises(kind, **fields):
            host.strong(**options)
