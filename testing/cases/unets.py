"""Parity of whole patched UNets: features of the reference pass, reference, drive, both, motion modules."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from sk_portrait.sk_attention.motion import MotionPatch
from sk_portrait.sk_attention.reference import ReferencePatch
from sk_portrait.testing.golden import Golden
from sk_portrait.testing.golden_networks import (
    SIZES,
    SOURCE,
    animatediff_of,
    drives_of,
    frames_first,
    moving_forward,
    reference_of,
    sk_motion_of,
)
from sk_portrait.unet.clip.frames import COND, UNCOND
from sk_portrait.unet.hosts.comfy_injection import TemporalPatch
from sk_portrait.unet.patches import WeightedPatch

Compared = Iterator[tuple[str, Tensor, Tensor]]  # (key of the output, our result, reference)


def _unet(version: str):
    def case(golden: Golden, host) -> Compared:
        t, inputs = golden.tensors(f"unet_{version}"), golden.tensors(SOURCE[version])
        frames = inputs["x"].shape[2]
        x, context = frames_first(inputs["x"]), inputs["context"].repeat_interleave(frames, 0)
        timestep = golden.index["cases"][f"unet_{version}"]["timestep"]
        latent = torch.cat([torch.zeros_like(inputs["ref_latent"]), inputs["ref_latent"]])
        features = host.features(latent, inputs["context"])
        reference = WeightedPatch(ReferencePatch(reference_of(golden, version, host, features, latent)))
        drives = drives_of(inputs)
        for key, value in t.items():
            if key.startswith("feature."):
                yield key, features[key.removeprefix("feature.")], value
        for key, patches in (
            ("y_plain", ()),
            ("y_reference", (reference,)),
            ("y_control", drives),
            ("y", (reference, *drives)),
        ):
            if key in t:
                yield key, host.forward(x, context, timestep, patches), frames_first(t[key])

    return case


def key_frames_of(t: dict[str, Tensor], frames: int) -> dict:
    """Return the golden pads as the features of the first and the last frame."""
    pads = {key.removeprefix("pad."): value.unbind(2) for key, value in t.items() if key.startswith("pad.")}
    return {
        frame: {
            side: {boundary: ends[end][row] for boundary, ends in pads.items()}
            for row, side in enumerate((UNCOND, COND))
        }
        for end, frame in enumerate((0, frames - 1))
    }


def _inputs(golden: Golden, version: str, host):
    """Return x and context of all batch items, timestep, and a golden case's reference and drive patches."""
    t = golden.tensors(SOURCE[version])
    frames = t["x"].shape[2]
    latent = torch.cat([torch.zeros_like(t["ref_latent"]), t["ref_latent"]])
    reference = reference_of(golden, version, host, host.features(latent, t["context"]), latent)
    patches = [WeightedPatch(ReferencePatch(reference)), *drives_of(t)]
    timestep = golden.index["cases"][SOURCE[version]]["timestep"]
    return t, frames_first(t["x"]), t["context"].repeat_interleave(frames, 0), timestep, patches


def _unet_motion(version: str, motion: str):
    def case(golden: Golden, host) -> Compared:
        t, x, context, timestep, patches = _inputs(golden, version, host)
        network = sk_motion_of(golden, motion, host).module
        patches.append(WeightedPatch(MotionPatch(network, key_frames_of(t, t["x"].shape[2]))))
        want = golden.tensors(f"unet_{version}")["y_motion"]
        yield "y_motion", host.forward(x, context, timestep, patches), frames_first(want)

    return case


def _unet_animatediff(golden: Golden, host) -> Compared:
    _, x, context, timestep, patches = _inputs(golden, "v2", host)
    t = golden.tensors("unet_v2_animatediff")
    with moving_forward(host, WeightedPatch(TemporalPatch(animatediff_of(golden, host).module))) as forward:
        yield "y_motion_only", forward(x, context, timestep), frames_first(t["y_motion_only"])
        yield "y", forward(x, context, timestep, patches), frames_first(t["y"])


CASES = {f"unet_{version}": _unet(version) for version in SIZES} | {
    "unet_v3 moving": _unet_motion("v3", "v3"),
    "unet_v5 moving": _unet_motion("v5", "v5"),
    "unet_v2_animatediff": _unet_animatediff,
}
OUTPUTS = {f"unet_{version}": r"feature\..*|y(_plain|_reference|_control)?" for version in SIZES} | {
    "unet_v3 moving": "y_motion",
    "unet_v5 moving": "y_motion",
}
