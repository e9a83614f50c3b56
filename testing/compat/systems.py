"""The pack's other systems on a clip under Animate Portrait: W+, Lock Frames to Reference, Redraw Clip
from Noise, X-Dyna and the paper's appendix A, alone and combined.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace

import comfy.controlnet
import numpy as np
import torch

from ...drawn_heads import Identity, clip, draw, truth
from ...nodes.appendix.control import ApplyControlNetSK
from ...nodes.appendix.face_id import ApplyFaceID
from ...nodes.appendix.networks import CrossNetwork
from ...nodes.appendix.text import replace_text
from ...nodes.freeanimate.anchor import AnchorFrames
from ...nodes.freeanimate.apply_inversion import ApplyInversion
from ...nodes.freeanimate.invert import HERE as OWN_TIMESTEP
from ...nodes.freeanimate.invert import InvertFrames
from ...nodes.hellomeme.networks import Network
from ...nodes.hellomeme.networks import managed as managed_by_comfy
from ...nodes.weights import patcher_of as in_host_memory
from ...nodes.wplus.apply import COND_ONLY, NEGATE_LAMBDA, ApplyWPlus
from ...nodes.wplus.load import WPlusNetwork, managed
from ...nodes.xdyna.apply import ROWS, XDynaApply
from ...nodes.xdyna.hints import HELD, SFaceCrop, XDynaHints
from ...nodes.xdyna.networks import XDyna
from ...systems.freeanimate.reference_items import HERE, TEXT_IN_COND
from ...systems.freeanimate.trajectory import Trajectory
from .. import appendix
from ..cached import cached
from ..golden import OTHER, Golden
from ..golden_systems import adapter_of, wplus_of
from ..golden_systems import controlnet_of as xdyna_controlnet
from ..tiny_models import normal, prompt
from .lab import CELLS, FRAMES, PIXELS, Lab, Scene, Wear
from .peers import embeds, ipadapter
from .wears import controlled, controlnet, lora

ACTOR = 3  # seed of the synthetic head


@cached
def network(lab: Lab) -> WPlusNetwork:
    """The tiny W+ adapter."""
    return managed(wplus_of(Golden(OTHER), lab))


def wplus(lab: Lab, scene: Scene, frames: Sequence[int]) -> None:
    """Apply W+ with another lambda per frame, one of them 0."""
    lambdas = [0.35 * (frame - 2) for frame in frames]
    w = normal("smile", 1, 18, 512)
    scene.model = ApplyWPlus.execute(
        scene.model,
        network(lab),
        w,
        1.0,
        NEGATE_LAMBDA,
        COND_ONLY,
        0.0,
        0.0,
        1.0,
        "",
        "mouthSmile",
        lambdas=lambdas,
    )[0]


def reference() -> dict:
    """Return one encoded picture."""
    return {"samples": normal("anchor", 1, 4, CELLS, CELLS)}


def anchored(lab: Lab, scene: Scene, frames: Sequence[int]) -> None:
    scene.model = AnchorFrames.execute(scene.model, 0, 0.0, 1.0, 0, reference=reference())[0]


@cached
def inverted(lab: Lab) -> Trajectory:
    """Return an inverted clip with its reference, at the noise levels of a scene."""
    sigmas = Scene(lab.model, lab.noise, prompt("+"), prompt("-")).sigmas()
    frames = {"samples": normal("clip", FRAMES, 4, CELLS, CELLS)}
    return InvertFrames.execute(
        lab.model, prompt("+"), sigmas, 0, OWN_TIMESTEP, frames=frames, reference=reference()
    )[0]


def boosted(lab: Lab, scene: Scene, frames: Sequence[int]) -> None:
    whole = inverted(lab)
    path = replace(whole, latents=whole.latents[:, list(frames)])
    scene.model = ApplyInversion.execute(scene.model, path, 1.0, 1.0, CELLS**2, TEXT_IN_COND, HERE, 0)[0]


@cached
def dynamics(lab: Lab) -> XDyna:
    """The tiny X-Dyna without motion modules, which would mix the frames."""
    return XDyna(in_host_memory(adapter_of(Golden(OTHER), lab.operations)), None, None, "")


def xdyna(lab: Lab, scene: Scene, frames: Sequence[int]) -> None:
    """Apply X-Dyna with group norms per item, because joint norms would mix the frames."""
    tokens = normal("tokens", 2, 16, 64)
    scene.model = XDynaApply.execute(
        scene.model, dynamics(lab), reference(), 1.0, ROWS, 0, 0, 0, tokens=tokens
    )[0]


@cached
def face_pictures() -> torch.Tensor:
    """Return the hint pictures of Apply X-Dyna ControlNet for a synthetic head, cropped by X-Dyna Face
    Crop with a face track, (F, 6, H, W).
    """
    who, states = Identity.of(ACTOR), clip(ACTOR, FRAMES, 5.0)
    images = torch.from_numpy(np.stack([draw(who, state, PIXELS) for state in states])).float() / 255
    local, whole, _ = SFaceCrop.execute(images, truth(who, states, PIXELS), PIXELS, PIXELS, HELD).args
    positive, _ = XDynaHints.execute(
        prompt("+"), prompt("-"), 1.0, 1.0, face_control=face_control(), local=local, whole=whole
    ).args
    return positive[0][1]["control"].cond_hint_original


def face_control() -> comfy.controlnet.ControlNet:
    """The tiny S-Face ControlNet."""
    return comfy.controlnet.ControlNet(
        xdyna_controlnet(Golden(OTHER), "face"), load_device=torch.device("cpu")
    )


def s_face(lab: Lab, scene: Scene, frames: Sequence[int]) -> None:
    controlled(scene, face_control(), face_pictures()[list(frames)])


@cached
def face_id(lab: Lab) -> CrossNetwork:
    module = appendix.face_id_adapter(Golden(), lab.operations)
    return CrossNetwork(module, in_host_memory(module), "face_id")


def face_ids(lab: Lab, scene: Scene, frames: Sequence[int]) -> None:
    """Apply FaceID with another person and another strength in every frame; one strength is 0."""
    people, strengths = appendix.embeddings(FRAMES)[list(frames)], [0.4 * frame for frame in frames]
    scene.model = ApplyFaceID.execute(scene.model, face_id(lab), people, 0.8, 0.0, 1.0, strengths=strengths)[
        0
    ]


@cached
def controlnet_sk(lab: Lab) -> Network:
    """Return the tiny ControlNetSK, as Load Portrait Adapter returns it."""
    loaded = appendix.control_adapter(Golden(), lab.operations)
    return managed_by_comfy(replace(loaded, condition="canny"))


def edges(lab: Lab, scene: Scene, frames: Sequence[int]) -> None:
    """Apply ControlNetSK with another picture in every frame."""
    vae = SimpleNamespace(encode=lambda pictures: normal("edges", FRAMES, 4, CELLS, CELLS)[list(frames)])
    pictures = torch.zeros(len(frames), PIXELS, PIXELS, 3)
    scene.model = ApplyControlNetSK.execute(scene.model, controlnet_sk(lab), vae, pictures, 0.8, 0.0, 1.0)[0]


@cached
def text_network(lab: Lab) -> CrossNetwork:
    module = appendix.text_adapter(Golden(), lab.operations)
    return CrossNetwork(module, in_host_memory(module), "text")


def sk_text(lab: Lab, scene: Scene, frames: Sequence[int]) -> None:
    """Replace 60 % of the text attention, so that the effect of other patches on it remains visible."""
    scene.model = scene.model.clone()
    replace_text(scene.model, text_network(lab), 0.6)


def both(*wears: Wear) -> Wear:
    """Combine wears: apply one after the other."""

    def wear(lab: Lab, scene: Scene, frames: Sequence[int]) -> None:
        for each in wears:
            each(lab, scene, frames)

    return wear


ALONE: dict[str, Wear] = {
    "W+, a lambda per frame": wplus,
    "Lock Frames to Reference": anchored,
    "Redraw Clip from Noise": boosted,
    "X-Dyna": xdyna,
    "ControlNetSK, a picture per frame": edges,
    "FaceID (SK), a person per frame": face_ids,
    "SK text attention": sk_text,
}
COMBINED: dict[str, Wear] = {
    "W+, a lambda per frame, and LoRA": both(lora, wplus),
    "Lock Frames to Reference and ControlNet": both(controlnet, anchored),
    "W+ and Lock Frames to Reference": both(wplus, anchored),
    "IPAdapter, then W+": both(ipadapter(embeds), wplus),
    "W+, then IPAdapter": both(wplus, ipadapter(embeds)),
    "IPAdapter and Lock Frames to Reference": both(ipadapter(embeds), anchored),
    "X-Dyna and LoRA": both(lora, xdyna),
    "X-Dyna and ControlNet": both(controlnet, xdyna),
    "X-Dyna with S-Face by a face track, and LoRA": both(lora, xdyna, s_face),
    "X-Dyna, then W+": both(xdyna, wplus),
    "W+, then X-Dyna": both(wplus, xdyna),
    "IPAdapter and X-Dyna": both(ipadapter(embeds), xdyna),
    "ControlNetSK, LoRA and ControlNet": both(lora, controlnet, edges),
    "IPAdapter, then FaceID (SK)": both(ipadapter(embeds), face_ids),
    "FaceID (SK), then IPAdapter": both(face_ids, ipadapter(embeds)),
    "ControlNetSK, FaceID (SK) and SK text attention": both(edges, face_ids, sk_text),
}
