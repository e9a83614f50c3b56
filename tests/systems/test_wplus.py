"""W+ on the real ComfyUI: what the sliders promise, other packs beside it, one sentence for bad input. test_compose: exactness."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from sk_portrait.errors import (
    ExclusiveInputError,
    FrameCountError,
    ModelFileError,
    SettingError,
    ShapeError,
    TextError,
)
from sk_portrait.face_tools.coefficients import ARKIT_51
from sk_portrait.face_tools.track_errors import NoCoefficientsError
from sk_portrait.systems.wplus.adapter import WPlusFileError, load
from sk_portrait.systems.wplus.directions import UNIT, long_enough, whole, within
from sk_portrait.systems.wplus.patch import waits
from sk_portrait.testing.compare import relative_error
from sk_portrait.testing.golden import OTHER, Golden
from sk_portrait.testing.golden_systems import wplus_of
from sk_portrait.testing.raised import raises
from sk_portrait.testing.split_sampling import split_errors
from sk_portrait.testing.tiny_models import normal
from sk_portrait.unet.clip.curve import Curve
from sk_portrait.unet.clip.run import Run

SMALL = 8  # cells
FRAMES = [-0.7, 0.0, 0.7]


@pytest.fixture(scope="module")
def host(comfy):
    from sk_portrait.nodes.wplus.apply import ApplyWPlus
    from sk_portrait.nodes.wplus.load import managed
    from sk_portrait.testing.tiny_motion import MovingHost

    class WPlusHost(MovingHost):
        def __init__(self):
            super().__init__()
            self.wplus = managed(wplus_of(Golden(OTHER), self))
            self.w = normal("smile", 1, 18, 512)
            self.plain = self.sample(self.model, cells=SMALL)

        def steer(self, strength=0.7, model=None, w=None, **options):
            """The MODEL with Apply W+."""
            inputs = {
                i.id: i.default
                for i in ApplyWPlus.define_schema().inputs
                if getattr(i, "default", None) is not None
            }
            inputs |= {
                i.id: i.options[0]
                for i in ApplyWPlus.define_schema().inputs
                if i.id in ("sign_mode", "guidance")
            }
            inputs |= {
                "model": model or self.model,
                "wplus": self.wplus,
                "w": self.w if w is None else w,
                "strength": strength,
            }
            return ApplyWPlus.execute(**(inputs | options))[0]

        def steered(self, *args, **options):
            return self.sample(self.steer(*args, **options), cells=SMALL)

    return WPlusHost()


@pytest.mark.parametrize(
    "options", [{"strength": 0.0}, {"start_percent": 0.6, "end_percent": 0.4}, {"lambdas": [0.0, 0.0, 0.0]}]
)
def test_nothing_asked_is_the_model_bit_for_bit(host, options):
    assert torch.equal(host.steered(**options), host.plain)


def test_a_frame_of_lambda_0_is_the_models_own_and_its_neighbours_are_not(host):
    steered = host.steered(1.0, lambdas=FRAMES)
    assert relative_error(steered[1], host.plain[1]) < 1e-6
    assert all(relative_error(steered[k], host.plain[k]) > 1e-2 for k in (0, 2))


def test_a_curve_and_a_list_of_its_values_are_the_same(host):
    assert (
        relative_error(host.steered(1.0, curve="0: -0.7, 2: 0.7"), host.steered(1.0, lambdas=FRAMES)) < 1e-5
    )


def test_a_person_smiles_when_the_driver_does(host):
    coefficients = np.zeros((3, len(ARKIT_51)), np.float32)
    for name, value in (("mouthSmileLeft", 0.6), ("mouthSmileRight", 0.8)):
        coefficients[2, ARKIT_51.index(name)] = value
    track = SimpleNamespace(coefficients=coefficients, source="drawn")
    assert relative_error(host.steered(1.0, track=track), host.steered(1.0, lambdas=[0, 0, 0.7])) < 1e-5


def test_negative_lambda_and_negative_direction_are_two_edits(host):
    taken, turned = host.steered(-0.7), host.steered(-0.7, sign_mode="negate direction")
    assert relative_error(taken, turned) > 1e-2
    assert relative_error(turned, host.steered(0.7, w=-host.w)) < 1e-5


def test_the_length_of_a_direction_does_not_matter_that_of_a_person_does(host):
    person = 11 * normal("person", 1, 18, 512) + host.w
    assert relative_error(host.steered(w=host.w * 3), host.steered()) < 1e-3
    assert relative_error(host.steered(w=person + 5 * host.w), host.steered(w=person)) > 1e-3


def test_delay_leaves_the_first_steps_to_the_model(host):
    """The `normal` scheduler at 0, 33, 67 and 100 percent: two steps are the MODEL's own, the third is not."""
    sigmas = host.sigmas(4)

    def after(steps: int, model) -> torch.Tensor:
        import comfy.samplers

        noise = normal("noise", 3, 4, SMALL, SMALL)
        seen = []
        guider = host.guider(model)
        euler, empty = comfy.samplers.sampler_object("euler"), torch.zeros_like(noise)
        guider.sample(
            noise,
            empty,
            euler,
            sigmas,
            callback=lambda k, x0, x, n: seen.append(x0.clone()),
            disable_pbar=True,
        )
        return seen[steps]

    delayed = host.steer(delay=0.5)
    assert torch.equal(after(1, delayed), after(1, host.model))
    assert not torch.equal(after(2, delayed), after(2, host.model))


@pytest.mark.parametrize("scheduler", ["simple", "sgm_uniform"])
@pytest.mark.parametrize("steps", [4, 10, 25, 50])
def test_over_evenly_spaced_steps_the_delay_is_the_published_one(host, scheduler, steps):
    import comfy.samplers

    sampling = host.model.get_model_object("model_sampling")
    run = Run({}, (SMALL, SMALL), sampling.percent_to_sigma)
    levels = comfy.samplers.calculate_sigmas(sampling, scheduler, steps)[:-1].tolist()
    for delay in (0.2, 0.5, 0.7):
        waiting = [waits(delay, run, level) for level in levels]
        assert waiting == [step <= int(delay * steps) for step in range(steps)]


@pytest.mark.parametrize(
    "options", [{"delay": 0.4}, {"delay": 0.7}, {"start_percent": 0.3, "end_percent": 0.7}], ids=str
)
def test_two_samplers_with_half_of_the_steps_each_are_one_with_all_of_them(host, options):
    errors = split_errors(host.steer(**options), normal("noise", 3, 4, SMALL, SMALL))
    assert max(errors.values()) < 1e-5, errors


def test_the_model_that_came_in_is_left_as_it_was(host):
    host.steered()
    assert torch.equal(host.sample(host.model, cells=SMALL), host.plain)


def test_two_sliders_add_up_in_the_order_of_their_nodes(host):
    age = normal("age", 1, 18, 512)
    both = host.steered(0.3, w=age, model=host.steer())
    assert (
        relative_error(both, host.steered()) > 1e-2 and relative_error(both, host.steered(0.3, w=age)) > 1e-2
    )
    assert torch.equal(host.steered(0.0, w=age, model=host.steer()), host.steered())


class Adding:
    """An attn2 replacement as IPAdapter's, which takes further callbacks by `add`."""

    def __init__(self, value: float):
        self.value = value

    def __call__(self, q, k, v, options):
        return torch.full_like(q, self.value)


def with_adding(model, value: float):
    model = model.clone()
    model.set_model_attn2_replace(Adding(value), "middle", 0)
    return model


def test_it_wraps_an_earlier_replacement_and_lets_later_packs_add(host):
    from sk_portrait.unet.hosts.comfy_attention import TextAttention

    earlier = with_adding(host.model, 0.3)
    steered = host.steer(model=earlier)
    assert relative_error(host.sample(steered, cells=SMALL), host.sample(earlier, cells=SMALL)) > 1e-2
    assert relative_error(host.sample(steered, cells=SMALL), host.steered()) > 1e-3

    before = host.sample(steered, cells=SMALL)
    later = steered.clone()
    place = later.model_options["transformer_options"]["patches_replace"]["attn2"][("middle", 0)]
    assert isinstance(place, TextAttention)
    place.add(lambda out, q, k, v, options, **settings: torch.ones_like(out), sigma_start=1e9, sigma_end=0.0)
    assert relative_error(host.sample(later, cells=SMALL), before) > 1e-3
    assert torch.equal(
        host.sample(steered, cells=SMALL), before
    )  # the MODEL it was cloned from has nothing of it


class TestTogether:
    """Frame by frame sliders on what the pack does besides."""

    def test_on_a_hellomeme_clip(self, host):
        from sk_portrait.testing.tiny_models import drive

        driven = host.apply(drive=drive(3, cells=SMALL))
        steered = host.steered(1.0, lambdas=FRAMES, model=driven)
        clip = host.sample(driven, cells=SMALL)
        assert relative_error(steered[1], clip[1]) < 1e-6 and relative_error(steered[2], clip[2]) > 1e-2
        other_order = host.sample(
            host.apply(drive=drive(3, cells=SMALL), model=host.steer(1.0, lambdas=FRAMES)), cells=SMALL
        )
        assert torch.equal(other_order, steered)

    def test_with_a_lora(self, host):
        lora = host.model.clone()
        lora.add_patches(
            {"diffusion_model.input_blocks.1.1.proj_in.weight": ("diff", (torch.ones(32, 32, 1, 1),))}, 0.5
        )
        plain = host.sample(lora, cells=SMALL)
        assert (
            torch.equal(host.steered(0.0, model=lora), plain)
            and relative_error(host.steered(model=lora), plain) > 1e-2
        )


class TestFiles:
    def test_the_published_file_is_read_and_another_is_named(self):
        network = wplus_of(Golden(OTHER), SimpleNamespace(operations=torch.nn))
        state = network.state_dict()
        nested = {"w_proj": {}, "wplus_adapter": {}}
        for name, value in state.items():
            part, key = name.split(".", 1)
            nested[part][key] = value
        assert load(nested, "wplus_adapter.bin").state_dict().keys() == state.keys()
        with pytest.raises(
            WPlusFileError,
            match="lora.bin is no W. adapter: 'wplus_adapter.1.to_k_wplus.weight' is missing .16 of 16",
        ):
            load({"lora_up.weight": torch.zeros(4, 4)}, "lora.bin")
        del nested["w_proj"]["proj_2.weight"]
        with pytest.raises(WPlusFileError, match="1 of its .* are missing: 'w_proj.proj_2.weight'"):
            load(nested, "wplus_adapter.bin")

    @pytest.mark.parametrize("shape", [(512,), (1, 512), (18, 512), (1, 18, 512), (5, 18, 512)])
    def test_directions_of_every_published_shape(self, shape):
        assert whole(torch.ones(shape), "smile.npy").shape == (shape[0] if len(shape) == 3 else 1, 18, 512)

    def test_a_tensor_of_another_shape_is_named(self):
        with raises(ShapeError, shape=(14, 512)):
            whole(torch.ones(14, 512), "smile.npy")

    def test_layers_and_lengths(self):
        kept = within(torch.ones(1, 18, 512), 2, 6)
        assert kept.sum() == 4 * 512 and kept[:, 2:6].all()
        short, identity = torch.ones(1, 18, 512) / 1000, torch.ones(1, 18, 512)
        assert long_enough(short).norm().item() == pytest.approx(UNIT, rel=1e-5)
        assert torch.equal(long_enough(identity), identity)
        assert not long_enough(torch.zeros(1, 18, 512)).any()

    @pytest.mark.comfy
    def test_the_direction_node_reads_mixes_and_names(self, comfy, tmp_path, monkeypatch):
        from sk_portrait.nodes.wplus import direction

        smile = torch.randn(18, 512)
        pca = {"mean": torch.zeros(1, 512), "comp": torch.randn(8, 1, 512), "std": torch.ones(8)}
        np.save(tmp_path / "smile.npy", smile.numpy())
        torch.save(torch.ones(1, 512), tmp_path / "age.pt")
        torch.save(pca, tmp_path / "ffhq_pca.pt")
        (tmp_path / "page.pt").write_text("<html>")
        monkeypatch.setattr(direction, "find", lambda folder, name, page: str(tmp_path / name))

        def node(file, alpha=1.0, first=0, end=18, component=0, base=None):
            return direction.WPlusDirection.execute(file, alpha, first, end, component, base)[0]

        age = node("age.pt", 2.0)
        assert torch.equal(age, 2 * torch.ones(1, 18, 512))
        assert torch.allclose(node("smile.npy", 0.5, 0, 8, base=age)[0, :8], 2 + smile[:8] / 2)
        assert torch.allclose(node("ffhq_pca.pt", 3.0, 2, 6, 5)[0, 2], 3 * pca["comp"][5, 0])
        with raises(SettingError, setting="ffhq_pca.pt", value=8):
            node("ffhq_pca.pt", component=8)
        with raises(ModelFileError, file="page.pt"):
            node("page.pt")


class TestBadInput:
    def test_a_list_of_lambdas_of_another_length(self, host):
        with raises(FrameCountError, frames=2, expected=3):
            host.steered(1.0, lambdas=[0.1, 0.2])

    def test_codes_of_another_length(self, host):
        with raises(FrameCountError, frames=2, expected=3):
            host.steered(w=normal("two", 2, 18, 512))

    def test_two_wires_that_say_the_lambda(self, host):
        with raises(ExclusiveInputError, inputs=("curve", "lambdas")):
            host.steered(curve="0: 1", lambdas=FRAMES)

    def test_a_track_without_expression(self, host):
        with raises(NoCoefficientsError, source="drawn"):
            host.steered(track=SimpleNamespace(coefficients=None, source="drawn"))

    def test_a_curve_that_cannot_be_read(self):
        with raises(TextError, text="0:high"):
            Curve.parse("0:high")
