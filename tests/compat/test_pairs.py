"""Every pair of systems on one MODEL, on top of a LoRA: both act and are exact, or the pair raises an error."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import pytest
import torch

from sk_portrait.errors import CombinationError
from sk_portrait.testing.compare import relative_error
from sk_portrait.testing.compat.lab import FRAMES, TOLERANCE, Lab, Scene, Wear
from sk_portrait.testing.compat.peers import embeds, ipadapter
from sk_portrait.testing.compat.systems import anchored, boosted, edges, face_ids, sk_text, wplus, xdyna
from sk_portrait.testing.compat.wears import controlnet, hypertile, lora
from sk_portrait.testing.raised import raises
from sk_portrait.testing.tiny_models import prompt

LEAST = 1e-3  # of the largest value that each of a pair changes


def hellomeme(lab: Lab, scene: Scene, frames: Sequence[int]) -> None:
    scene.model = lab.apply(lab.portrait, lab.clip(frames), model=scene.model)


def moved(kind: str) -> Wear:
    """Apply Motion without windows."""

    def wear(lab: Lab, scene: Scene, frames: Sequence[int]) -> None:
        scene.model = lab.move(lab.motion(kind), 0, model=scene.model)

    return wear


SYSTEMS: dict[str, Wear] = {
    "HelloMeme": hellomeme,
    "AnimateDiff": moved("animatediff"),
    "SK motion": moved("v3"),
    "W+": wplus,
    "X-Dyna": xdyna,
    "Lock Frames to Reference": anchored,
    "Redraw Clip from Noise": boosted,
    "ControlNetSK": edges,
    "FaceID (SK)": face_ids,
    "SK text attention": sk_text,
    "ControlNet": controlnet,
    "IPAdapter": ipadapter(embeds),
}
OTHERS = {"ControlNet", "IPAdapter"}  # of ComfyUI and of other packs
MOVING = {"AnimateDiff", "SK motion"}  # frames see each other
BRING_ROWS = {"X-Dyna", "Lock Frames to Reference", "Redraw Clip from Noise"}
IN_TURN = (
    {"W+"},
    {"W+", "X-Dyna"},
    {"W+", "IPAdapter"},
)  # W+ looks at what those before it made of the text: their order is a choice


def on_a_lora(lab: Lab, wears: Sequence[Wear], frames: Sequence[int] = range(FRAMES)) -> torch.Tensor:
    """The clip by a MODEL with a LoRA and these, one after the other."""
    scene = Scene(lab.model, lab.noise[list(frames)], prompt("+"), prompt("-"))
    for wear in (lora, *wears):
        wear(lab, scene, frames)
    return scene.samples()


PAIRS = [
    pair
    for pair in itertools.combinations_with_replacement(SYSTEMS, 2)
    if len(set(pair)) == 2 or pair[0] not in OTHERS
]
QUICK = [
    ("W+", "Lock Frames to Reference"),
    ("AnimateDiff", "Lock Frames to Reference"),
    ("Redraw Clip from Noise", "ControlNet"),
    ("Lock Frames to Reference", "Redraw Clip from Noise"),
    ("X-Dyna", "X-Dyna"),
    ("HelloMeme", "ControlNetSK"),
    ("AnimateDiff", "FaceID (SK)"),
]


def parameters(refused: bool) -> Iterator:
    for pair in PAIRS:
        if (set(pair) <= BRING_ROWS) == refused:
            marks = [pytest.mark.slow] * (pair not in QUICK) + [pytest.mark.peers] * ("IPAdapter" in pair)
            yield pytest.param(*pair, id=" with ".join(pair), marks=marks)


@pytest.mark.parametrize("one, other", parameters(refused=False))
def test_both_act_and_exactly(lab, one, other):
    """Frames alone are the batch (if they see each other: cond and uncond apart are together), in either order of the nodes."""
    wears = SYSTEMS[one], SYSTEMS[other]
    got = on_a_lora(lab, wears)
    assert all(relative_error(on_a_lora(lab, [wear]), got) >= LEAST for wear in wears)
    if {one, other} & MOVING:
        with lab.apart():
            assert relative_error(on_a_lora(lab, wears), got) <= TOLERANCE
    else:
        alone = torch.cat([on_a_lora(lab, wears, [frame]) for frame in range(FRAMES)])
        assert relative_error(alone, got) <= TOLERANCE
    if {one, other} not in IN_TURN:
        assert relative_error(on_a_lora(lab, wears[::-1]), got) <= TOLERANCE


@pytest.mark.parametrize("one, other", parameters(refused=True))
def test_two_systems_that_add_batch_items_raise_in_either_order(lab, one, other):
    for order in ((one, other), (other, one)):
        with pytest.raises(
            CombinationError, match="adds rows of its own to every UNet call, and .* does the same"
        ):
            on_a_lora(lab, [SYSTEMS[name] for name in order])


@pytest.mark.slow
@pytest.mark.parametrize("one", sorted(BRING_ROWS))
def test_hypertile_with_a_system_that_adds_batch_items_raises_in_either_order(lab, one):
    for order in ((hypertile, SYSTEMS[one]), (SYSTEMS[one], hypertile)):
        with raises(CombinationError, other="HyperTile"):
            on_a_lora(lab, order)
