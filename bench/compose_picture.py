"""Rows about the picture: parts of it, other sizes, two portraits in it, one drive for many."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from ..sk_attention.reference import Reference
from ..testing.tiny_models import SCALE, drive, normal, prompt
from .compose_frames import EXTRAS, deep_shrink
from .compose_lab import CELLS, FRAMES, SIDE, WIDE_FRAMES, WIDE_NOISE, Lab, Scene, Wear, call, relative
from .compose_runs import sentence


def in_areas(scene: Scene, *areas: tuple[int, int, int, int]) -> Scene:
    """Both prompts for these areas: (width, height, x, y) in pixels."""

    def parted(conds: list) -> list:
        return [one for area in areas for one in call("nodes", "ConditioningSetArea", conds, *area, 1.0)]

    scene.positive, scene.negative = parted(scene.positive), parted(scene.negative)
    return scene


LEFT, RIGHT, ALL = (8 * CELLS, 8 * SIDE, 0, 0), (8 * CELLS, 8 * SIDE, 8 * CELLS, 0), (8 * SIDE, 8 * SIDE, 0, 0)


def area(lab: Lab) -> float:
    """The right half is a picture of its own whose drive was cut by hand."""
    got = in_areas(lab.wide(reference=False), RIGHT).samples()[..., CELLS:]
    whole = drive(WIDE_FRAMES, "v2", SIDE)
    half = replace(
        whole,
        features={s: f[..., CELLS // SCALE[s] :] for s, f in whole.features.items()},
        null={s: f[..., CELLS // SCALE[s] :] for s, f in whole.null.items()},
    )
    return relative(got, Scene(lab.apply(drive=half), WIDE_NOISE[..., CELLS:].contiguous(), prompt("+"), prompt("-")).samples())


def area_of_all(lab: Lab) -> float:
    return relative(in_areas(lab.wide(), ALL).samples(), lab.wide().samples())


def two_areas(lab: Lab) -> float:
    together = in_areas(lab.wide(), LEFT, RIGHT).samples()
    with lab.apart():
        return relative(in_areas(lab.wide(), LEFT, RIGHT).samples(), together)


def area_by_percent(lab: Lab) -> float:
    def scene() -> Scene:
        scene = lab.wide()
        half = (0.5, 1.0, 0.5, 0.0, 1.0)
        conds = (call("nodes", "ConditioningSetAreaPercentage", conds, *half) for conds in (scene.positive, scene.negative))
        scene.positive, scene.negative = conds
        return scene

    return relative(scene().samples(), in_areas(lab.wide(), RIGHT).samples())


def mask_to_its_bounds(lab: Lab) -> float:
    """A prompt's mask cut to its bounds is the area there; only the half that is sampled counts."""
    mask = torch.zeros(1, 8 * SIDE, 8 * SIDE)
    mask[..., 8 * CELLS :] = 1
    scene = lab.wide()
    conds = (call("nodes", "ConditioningSetMask", conds, mask, "mask bounds", 1.0) for conds in (scene.positive, scene.negative))
    scene.positive, scene.negative = conds
    return relative(scene.samples()[..., CELLS:], in_areas(lab.wide(), RIGHT).samples()[..., CELLS:])


def area_and_mask(lab: Lab) -> float:
    mask = torch.zeros(1, 8 * SIDE, 8 * SIDE)
    mask[..., 8 * CELLS :] = 1
    got, want = (in_areas(lab.wide(mask=m), RIGHT).samples()[..., CELLS:] for m in (mask, None))
    return relative(got, want)


def second_pass(lab: Lab) -> float:
    """At twice the side everything is as if its features had been resized by hand."""

    def doubled(features: dict[str, Tensor]) -> dict[str, Tensor]:
        return {s: F.interpolate(f, size=(SIDE // SCALE[s],) * 2, mode="bilinear") for s, f in features.items()}

    clip, portrait = drive(WIDE_FRAMES, "v2", CELLS), lab.portrait
    large = replace(clip, features=doubled(clip.features), null=doubled(clip.null))
    by_hand = Reference(doubled(portrait.features), (SIDE, SIDE), portrait.adapter)
    got, want = (
        Scene(lab.apply(reference, drive), WIDE_NOISE, prompt("+"), prompt("-")).samples()
        for reference, drive in ((portrait, clip), (by_hand, large))
    )
    return relative(got, want)


def tiles(lab: Lab) -> float:
    scene = lab.scene()

    def tile(apply, arguments):
        return apply(arguments["input"][..., : CELLS // 2], arguments["timestep"], **arguments["c"])

    scene.model.set_model_unet_function_wrapper(tile)
    return sentence(scene.samples, "shows the UNet 32x64 px where 64x64 px of a 64x64 px picture")


def alone_before(wear: Wear) -> Callable[[Lab], float]:
    """A batch is every frame alone where `wear` stands before Apply, at a size whose smallest map has more than one cell."""

    def row(lab: Lab) -> float:
        before = Scene(lab.model, WIDE_NOISE, prompt("+"), prompt("-"))
        wear(lab, before, ())

        def samples(frames: list[int]) -> Tensor:
            clip = drive(WIDE_FRAMES, "v2", SIDE)
            own = replace(clip, features={s: f[frames] for s, f in clip.features.items()})
            model = lab.apply(lab.reference("v2", SIDE), own, model=before.model)
            return Scene(model, WIDE_NOISE[frames], prompt("+"), prompt("-")).samples()

        return relative(samples([0, 1]), torch.cat([samples([0]), samples([1])]))

    return row


def freeu_v2(lab: Lab, scene: Scene, frames: Sequence[int]) -> None:
    scene.model = call(EXTRAS + "nodes_freelunch", "FreeU_V2", scene.model, 1.3, 1.4, 0.9, 0.2)


def still(lab: Lab) -> float:
    one = lab.clip([1])
    many = lab.clip([1] * FRAMES)
    got, want = (Scene(lab.apply(lab.portrait, c), lab.noise, prompt("+"), prompt("-")).samples() for c in (one, many))
    return relative(got, want)


def two_portraits(lab: Lab) -> float:
    """Bit for bit."""
    other = lab.encode_node.execute(
        lab.model, lab.portrait.adapter, prompt("+"), prompt("-"), {"samples": normal("other", 1, 4, CELLS, CELLS)}
    )[0]
    left = torch.zeros(1, 8 * CELLS, 8 * CELLS)
    left[..., : 4 * CELLS] = 1
    clip = lab.clip(range(FRAMES))

    def first(model):
        return lab.apply(lab.portrait, clip, model=model, mask=left)

    def second(model):
        return lab.apply(other, lab.clip(range(FRAMES)[::-1]), model=model, mask=1 - left)

    one, two = (
        Scene(model, lab.noise, prompt("+"), prompt("-")).samples() for model in (second(first(lab.model)), first(second(lab.model)))
    )
    return 0.0 if one.equal(two) else float("inf")


PICTURE = {
    ("Conditioning (Set Area), the right half", "is that half with a drive cut by hand"): area,
    ("Conditioning (Set Area), all of the picture", "is no area"): area_of_all,
    ("Conditioning (Set Area with Percentage)", "is the area in pixels"): area_by_percent,
    ("Conditioning (Set Mask) to the mask's bounds", "is the area there"): mask_to_its_bounds,
    ("two areas", "together are apart"): two_areas,
    ("an area, and a mask on Apply that is white there", "is the area without a mask"): area_and_mask,
    ("a second pass at twice the side", "is with features resized by hand"): second_pass,
    ("deep shrink before Apply", "a batch is every frame alone"): alone_before(deep_shrink),
    ("FreeU V2 before Apply", "a batch is every frame alone"): alone_before(freeu_v2),
    ("tiled sampling", "is refused with a sentence"): tiles,
    ("a still drive", "is that drive for every picture"): still,
    ("two portraits under masks", "in either order, bit for bit"): two_portraits,
}
