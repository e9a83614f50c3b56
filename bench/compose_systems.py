"""The pack's other systems on a clip under Apply: W+ sliders and anchored frames, with what others put on the same MODEL."""

from __future__ import annotations

import functools
from collections.abc import Sequence

from ..nodes.anchored.anchor import AnchorFrames
from ..nodes.wplus.apply import COND_ONLY, NEGATE_LAMBDA, ApplyWPlus
from ..nodes.wplus.load import WPlusNetwork, managed
from ..tests.narrow import normal
from .compose_frames import controlnet, lora
from .compose_lab import CELLS, Lab, Scene, Wear
from .compose_peers import embeds, ipadapter
from .golden import OTHER, Golden
from .parity_wplus import wplus_of


@functools.cache
def network(lab: Lab) -> WPlusNetwork:
    """The narrow W+ adapter."""
    return managed(wplus_of(Golden(OTHER), lab))


def wplus(lab: Lab, scene: Scene, frames: Sequence[int]) -> None:
    """Another lambda in every frame, one of them 0."""
    lambdas = [0.35 * (frame - 2) for frame in frames]
    w = normal("smile", 1, 18, 512)
    scene.model = ApplyWPlus.execute(
        scene.model, network(lab), w, 1.0, NEGATE_LAMBDA, COND_ONLY, 0.0, 0.0, 1.0, "", "mouthSmile", lambdas=lambdas
    )[0]


def anchored(lab: Lab, scene: Scene, frames: Sequence[int]) -> None:
    scene.model = AnchorFrames.execute(scene.model, 0, 0.0, 1.0, 0, reference={"samples": normal("anchor", 1, 4, CELLS, CELLS)})[0]


def both(*wears: Wear) -> Wear:
    """One after the other."""

    def wear(lab: Lab, scene: Scene, frames: Sequence[int]) -> None:
        for each in wears:
            each(lab, scene, frames)

    return wear


WORN: dict[str, Wear] = {
    "W+, a lambda a frame, and LoRA": both(lora, wplus),
    "Anchor Frames and ControlNet": both(controlnet, anchored),
    "W+ and Anchor Frames": both(wplus, anchored),
    "IPAdapter, then W+": both(ipadapter(embeds), wplus),
    "W+, then IPAdapter": both(wplus, ipadapter(embeds)),
    "IPAdapter and Anchor Frames": both(ipadapter(embeds), anchored),
}
