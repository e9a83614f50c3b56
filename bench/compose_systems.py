"""The pack's other systems on a clip under Apply: W+ sliders, anchored frames and X-Dyna, with what others put on the same MODEL."""

from __future__ import annotations

import functools
from collections.abc import Sequence

from ..nodes.anchored.anchor import AnchorFrames
from ..nodes.weights import patcher_of as in_host_memory
from ..nodes.wplus.apply import COND_ONLY, NEGATE_LAMBDA, ApplyWPlus
from ..nodes.wplus.load import WPlusNetwork, managed
from ..nodes.xdyna.apply import ROWS, XDynaApply
from ..nodes.xdyna.networks import XDyna
from ..tests.narrow import normal
from .compose_frames import controlnet, lora
from .compose_lab import CELLS, Lab, Scene, Wear
from .compose_peers import embeds, ipadapter
from .golden import OTHER, Golden
from .parity_wplus import wplus_of
from .parity_xdyna_unet import adapter_of


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


@functools.cache
def dynamics(lab: Lab) -> XDyna:
    """The narrow X-Dyna without motion modules, which would let frames see each other."""
    return XDyna(in_host_memory(adapter_of(Golden(OTHER), lab.operations)), None, None, "")


def xdyna(lab: Lab, scene: Scene, frames: Sequence[int]) -> None:
    """Row by row, for the same reason."""
    reference, tokens = {"samples": normal("anchor", 1, 4, CELLS, CELLS)}, normal("tokens", 2, 16, 64)
    scene.model = XDynaApply.execute(scene.model, dynamics(lab), reference, 1.0, ROWS, 0, 0, 0, tokens=tokens)[0]


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
    "X-Dyna and LoRA": both(lora, xdyna),
    "X-Dyna and ControlNet": both(controlnet, xdyna),
    "X-Dyna, then W+": both(xdyna, wplus),
    "W+, then X-Dyna": both(wplus, xdyna),
    "IPAdapter and X-Dyna": both(ipadapter(embeds), xdyna),
}
