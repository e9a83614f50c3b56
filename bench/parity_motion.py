"""Parity of the motion modules, alone and inside whole patched UNets."""

from __future__ import annotations

import copy
import json
from contextlib import contextmanager

import torch
from torch import Tensor

from ..sk_attention.checkpoint import Loaded
from ..sk_attention.motion import MotionAction, SKMotionModule, SKMotionModuleV5
from ..sk_attention.published_files import ANIMATEDIFF, MOTION, find_part
from ..sk_attention.reference import ReferenceAction
from ..testing.golden import DEFAULT, Golden
from ..unet.clip.frames import COND, UNCOND
from ..unet.hosts.comfy_injection import TemporalAction, attach
from ..unet.hosts.diffusers_injection import moving
from ..unet.patches import Weighted
from .parity_modules import Compared, _frames_first
from .parity_unet import SOURCE, drives_of, reference_of

WIDTHS = (32, 64, 128, 128)  # of the golden UNet's blocks
EMBEDDING = 128
def _module(case: str, make):
    def run(golden: Golden, host) -> Compared:
        t = golden.tensors(case)
        frames = golden.index["cases"][case]["num_frames"]
        module = golden.fill(make(host.operations), case)
        with torch.inference_mode():
            yield "y", module(t["x"], frames, t["pad"].transpose(1, 2), t.get("temb")), t["y"]
            if "y_nopad" in t:
                yield "y_nopad", module(t["x"], frames, None, None), t["y_nopad"]

    return run


def sk_motion_of(golden: Golden, generation: str, host) -> Loaded:
    """The golden SK motion adapter at the narrow UNet's widths."""
    sizes = {"down": WIDTHS, "up": (128, 128, 128, 64)} | ({"embedding_dim": EMBEDDING} if generation == "v3" else {})
    return golden.loaded(f"motion_{generation}", find_part(MOTION, generation), sizes, host.operations)


def animatediff_of(golden: Golden, host) -> Loaded:
    """The golden AnimateDiff at the narrow UNet's widths, whose names stand beside the golden data."""
    loaded = golden.loaded("animatediff", find_part(ANIMATEDIFF, "v2"), {"down": WIDTHS, "up": WIDTHS[::-1]}, host.operations)
    assert loaded.module.state_dict().keys() == json.loads((DEFAULT / "animatediff_keys.json").read_text()).keys()
    return loaded


def key_frames_of(t: dict[str, Tensor], frames: int) -> dict:
    """The golden pads as the features of the first and the last frame."""
    pads = {key.removeprefix("pad."): value.unbind(2) for key, value in t.items() if key.startswith("pad.")}
    return {
        frame: {branch: {station: ends[end][row] for station, ends in pads.items()} for row, branch in enumerate((UNCOND, COND))}
        for end, frame in enumerate((0, frames - 1))
    }


def _inputs(golden: Golden, generation: str, host):
    """x and context of all rows, timestep, and the reference and drive actions of a golden UNet case."""
    t = golden.tensors(SOURCE[generation])
    frames = t["x"].shape[2]
    latent = torch.cat([torch.zeros_like(t["ref_latent"]), t["ref_latent"]])
    reference = reference_of(golden, generation, host, host.features(latent, t["context"]), latent)
    actions = [Weighted(ReferenceAction(reference)), *drives_of(t)]
    timestep = golden.index["cases"][SOURCE[generation]]["timestep"]
    return t, _frames_first(t["x"]), t["context"].repeat_interleave(frames, 0), timestep, actions


def _unet_motion(generation: str, motion: str):
    def case(golden: Golden, host) -> Compared:
        t, x, context, timestep, actions = _inputs(golden, generation, host)
        network = sk_motion_of(golden, motion, host).module
        actions.append(Weighted(MotionAction(network, key_frames_of(t, t["x"].shape[2]))))
        want = golden.tensors(f"unet_{generation}")["y_motion"]
        yield "y_motion", host.forward(x, context, timestep, actions), _frames_first(want)

    return case


def _unet_animatediff(golden: Golden, host) -> Compared:
    _, x, context, timestep, actions = _inputs(golden, "v2", host)
    t = golden.tensors("unet_v2_animatediff")
    with moving_forward(host, Weighted(TemporalAction(animatediff_of(golden, host).module))) as forward:
        yield "y_motion_only", forward(x, context, timestep), _frames_first(t["y_motion_only"])
        yield "y", forward(x, context, timestep, actions), _frames_first(t["y"])


@contextmanager
def moving_forward(host, temporal: Weighted):
    """The host's `forward` with AnimateDiff in the blocks."""
    if host.name == "diffusers":
        with moving(host.unet, temporal, {"cond_or_uncond": [UNCOND, COND]}):
            yield host.forward
    else:
        patched = copy.copy(host)
        patched.patcher = host.patcher.clone()
        attach(patched.patcher, temporal)
        yield patched.forward


MOTION_CASES = {
    "sk_motion_v3": _module("sk_motion_v3", lambda operations: SKMotionModule(64, embedding_dim=48, operations=operations)),
    "sk_motion_v5": _module("sk_motion_v5", lambda operations: SKMotionModuleV5(64, operations=operations)),
    "unet_v3 moving": _unet_motion("v3", "v3"),
    "unet_v5 moving": _unet_motion("v5", "v5"),
    "unet_v2_animatediff": _unet_animatediff,
}
