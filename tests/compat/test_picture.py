"""Parts of a picture, other sizes, two portraits in a picture, one drive for many pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from sk_portrait.sk_attention.reference import Reference
from sk_portrait.testing.compare import relative_error
from sk_portrait.testing.compat.lab import (
    CELLS,
    EXTRAS,
    FRAMES,
    SIDE,
    TOLERANCE,
    WIDE_FRAMES,
    WIDE_NOISE,
    Lab,
    Scene,
    call,
)
from sk_portrait.testing.compat.wears import deep_shrink
from sk_portrait.testing.raised import raises
from sk_portrait.testing.tiny_models import SCALE, drive, normal, prompt
from sk_portrait.unet.clip.frames import ViewError


def in_areas(scene: Scene, *areas: tuple[int, int, int, int]) -> Scene:
    """Both prompts for these areas: (width, height, x, y) in pixels."""

    def parted(conds: list) -> list:
        return [one for area in areas for one in call("nodes", "ConditioningSetArea", conds, *area, 1.0)]

    scene.positive, scene.negative = parted(scene.positive), parted(scene.negative)
    return scene


LEFT, RIGHT, ALL = (
    (8 * CELLS, 8 * SIDE, 0, 0),
    (8 * CELLS, 8 * SIDE, 8 * CELLS, 0),
    (8 * SIDE, 8 * SIDE, 0, 0),
)


def test_the_right_half_is_a_picture_of_its_own(lab):
    """The right half is a picture of its own whose drive was cut by hand."""
    got = in_areas(lab.wide(reference=False), RIGHT).samples()[..., CELLS:]
    whole = drive(WIDE_FRAMES, "v2", SIDE)
    half = replace(
        whole,
        features={s: f[..., CELLS // SCALE[s] :] for s, f in whole.features.items()},
        null={s: f[..., CELLS // SCALE[s] :] for s, f in whole.null.items()},
    )
    alone = Scene(lab.apply(drive=half), WIDE_NOISE[..., CELLS:].contiguous(), prompt("+"), prompt("-"))
    assert relative_error(got, alone.samples()) <= TOLERANCE


@pytest.mark.slow
def test_an_area_of_all_is_no_area(lab):
    assert relative_error(in_areas(lab.wide(), ALL).samples(), lab.wide().samples()) <= TOLERANCE


def test_two_areas_together_are_apart(lab):
    together = in_areas(lab.wide(), LEFT, RIGHT).samples()
    with lab.apart():
        assert relative_error(in_areas(lab.wide(), LEFT, RIGHT).samples(), together) <= TOLERANCE


@pytest.mark.slow
def test_an_area_in_percent_is_the_area_in_pixels(lab):
    def scene() -> Scene:
        scene = lab.wide()
        half = (0.5, 1.0, 0.5, 0.0, 1.0)
        conds = (
            call("nodes", "ConditioningSetAreaPercentage", conds, *half)
            for conds in (scene.positive, scene.negative)
        )
        scene.positive, scene.negative = conds
        return scene

    assert relative_error(scene().samples(), in_areas(lab.wide(), RIGHT).samples()) <= TOLERANCE


@pytest.mark.slow
def test_a_mask_cut_to_its_bounds_is_the_area_there(lab):
    """A prompt's mask cut to its bounds is the area there; only the half that is sampled counts."""
    mask = torch.zeros(1, 8 * SIDE, 8 * SIDE)
    mask[..., 8 * CELLS :] = 1
    scene = lab.wide()
    conds = (
        call("nodes", "ConditioningSetMask", conds, mask, "mask bounds", 1.0)
        for conds in (scene.positive, scene.negative)
    )
    scene.positive, scene.negative = conds
    assert (
        relative_error(scene.samples()[..., CELLS:], in_areas(lab.wide(), RIGHT).samples()[..., CELLS:])
        <= TOLERANCE
    )


def test_a_mask_on_apply_that_is_white_in_the_area_changes_nothing(lab):
    mask = torch.zeros(1, 8 * SIDE, 8 * SIDE)
    mask[..., 8 * CELLS :] = 1
    got, want = (in_areas(lab.wide(mask=m), RIGHT).samples()[..., CELLS:] for m in (mask, None))
    assert relative_error(got, want) <= TOLERANCE


def test_a_second_pass_at_twice_the_side_resizes_the_features(lab):
    """At twice the side everything is as if its features had been resized by hand."""

    def doubled(features: dict[str, Tensor]) -> dict[str, Tensor]:
        return {
            s: F.interpolate(f, size=(SIDE // SCALE[s],) * 2, mode="bilinear") for s, f in features.items()
        }

    clip, portrait = drive(WIDE_FRAMES, "v2", CELLS), lab.portrait
    large = replace(clip, features=doubled(clip.features), null=doubled(clip.null))
    by_hand = Reference(doubled(portrait.features), (SIDE, SIDE), portrait.adapter)
    got, want = (
        Scene(lab.apply(reference, drive), WIDE_NOISE, prompt("+"), prompt("-")).samples()
        for reference, drive in ((portrait, clip), (by_hand, large))
    )
    assert relative_error(got, want) <= TOLERANCE


def test_tiled_sampling_raises(lab):
    scene = lab.scene()

    def tile(apply, arguments):
        return apply(arguments["input"][..., : CELLS // 2], arguments["timestep"], **arguments["c"])

    scene.model.set_model_unet_function_wrapper(tile)
    with raises(ViewError, shown=(8, 4), expected=(8, 8)):
        scene.samples()


def freeu_v2(lab: Lab, scene: Scene, frames: Sequence[int]) -> None:
    scene.model = call(EXTRAS + "nodes_freelunch", "FreeU_V2", scene.model, 1.3, 1.4, 0.9, 0.2)


@pytest.mark.slow
@pytest.mark.parametrize("wear", [deep_shrink, freeu_v2])
def test_a_batch_is_every_frame_alone_if_the_node_stands_before_apply(lab, wear):
    """At a size whose smallest map has more than one latent pixel."""
    before = Scene(lab.model, WIDE_NOISE, prompt("+"), prompt("-"))
    wear(lab, before, ())

    def samples(frames: list[int]) -> Tensor:
        clip = drive(WIDE_FRAMES, "v2", SIDE)
        own = replace(clip, features={s: f[frames] for s, f in clip.features.items()})
        model = lab.apply(lab.reference("v2", SIDE), own, model=before.model)
        return Scene(model, WIDE_NOISE[frames], prompt("+"), prompt("-")).samples()

    assert relative_error(samples([0, 1]), torch.cat([samples([0]), samples([1])])) <= TOLERANCE


def test_a_still_drive_holds_for_every_picture(lab):
    one = lab.clip([1])
    many = lab.clip([1] * FRAMES)
    got, want = (
        Scene(lab.apply(lab.portrait, c), lab.noise, prompt("+"), prompt("-")).samples() for c in (one, many)
    )
    assert relative_error(got, want) <= TOLERANCE


def test_two_portraits_under_masks_in_either_order(lab):
    """Bit-identical."""
    other = lab.encode_node.execute(
        lab.model,
        lab.portrait.adapter,
        prompt("+"),
        prompt("-"),
        {"samples": normal("other", 1, 4, CELLS, CELLS)},
    )[0]
    left = torch.zeros(1, 8 * CELLS, 8 * CELLS)
    left[..., : 4 * CELLS] = 1
    clip = lab.clip(range(FRAMES))

    def first(model):
        return lab.apply(lab.portrait, clip, model=model, mask=left)

    def second(model):
        return lab.apply(other, lab.clip(range(FRAMES)[::-1]), model=model, mask=1 - left)

    one, two = (
        Scene(model, lab.noise, prompt("+"), prompt("-")).samples()
        for model in (second(first(lab.model)), first(second(lab.model)))
    )
    assert one.equal(two)
