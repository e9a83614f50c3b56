"""Every pair of systems on one MODEL, with a LoRA below them: both act and are exact, or the second is refused with a sentence."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Sequence

import torch

from ..testing.tiny_models import prompt
from .compose_frames import controlnet, hypertile, lora
from .compose_lab import FRAMES, Lab, Scene, Wear, relative
from .compose_peers import embeds, ipadapter
from .compose_runs import sentence
from .compose_systems import anchored, boosted, wplus, xdyna

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
    "Anchor Frames": anchored,
    "Apply Inversion": boosted,
    "ControlNet": controlnet,
    "IPAdapter": ipadapter(embeds),
}
OTHERS = {"ControlNet", "IPAdapter"}  # of the host and of other packs
MOVING = {"AnimateDiff", "SK motion"}  # frames see each other
BRING_ROWS = {"X-Dyna", "Anchor Frames", "Apply Inversion"}
IN_TURN = ({"W+"}, {"W+", "X-Dyna"}, {"W+", "IPAdapter"})  # W+ looks at what those before it made of the text: their order is a choice


def on_a_lora(lab: Lab, wears: Sequence[Wear], frames: Sequence[int] = range(FRAMES)) -> torch.Tensor:
    """The clip by a MODEL with a LoRA and these, one after the other."""
    scene = Scene(lab.model, lab.noise[list(frames)], prompt("+"), prompt("-"))
    for wear in (lora, *wears):
        wear(lab, scene, frames)
    return scene.samples()


def works(one: str, other: str) -> Callable[[Lab], float]:
    """Frames alone are the batch (where they see each other: cond and uncond apart are together), in either order of the nodes."""

    def row(lab: Lab) -> float:
        wears = SYSTEMS[one], SYSTEMS[other]
        got = on_a_lora(lab, wears)
        if min(relative(on_a_lora(lab, wears[k : k + 1]), got) for k in range(2)) < LEAST:
            return float("inf")
        if {one, other} & MOVING:
            with lab.apart():
                errors = [relative(on_a_lora(lab, wears), got)]
        else:
            alone = torch.cat([on_a_lora(lab, wears, [frame]) for frame in range(FRAMES)])
            errors = [relative(alone, got)]
        if {one, other} not in IN_TURN:
            errors.append(relative(on_a_lora(lab, wears[::-1]), got))
        return max(errors)

    return row


def refused(one: str, other: str) -> Callable[[Lab], float]:
    """In either order."""

    def row(lab: Lab) -> float:
        wears = SYSTEMS[one], SYSTEMS[other]
        return max(
            sentence(functools.partial(on_a_lora, lab, order), "adds rows of its own to every UNet call, and .* does the same")
            for order in (wears, wears[::-1])
        )

    return row


def rows_of_pairs() -> dict[tuple[str, str], Callable[[Lab], float]]:
    """(combination, what must be true) -> its error, for every pair."""
    rows = {}
    for one, other in itertools.combinations_with_replacement(SYSTEMS, 2):
        if one == other and one in OTHERS:
            continue
        name = f"{one} twice" if one == other else f"{one} with {other}"
        if {one, other} <= BRING_ROWS:
            rows[name, "is refused with a sentence"] = refused(one, other)
        else:
            rows[name, "both act, and exactly"] = works(one, other)
    return rows


def tiled(lab: Lab) -> float:
    """In either order, with each system that brings rows."""
    words = "HyperTile cuts each frame's self-attention into tiles.*leave HyperTile out"
    orders = [order for one in sorted(BRING_ROWS) for order in ((hypertile, SYSTEMS[one]), (SYSTEMS[one], hypertile))]
    return max(sentence(functools.partial(on_a_lora, lab, order), words) for order in orders)


RUNS = rows_of_pairs() | {("HyperTile with X-Dyna, Anchor Frames, Apply Inversion", "is refused with a sentence"): tiled}
