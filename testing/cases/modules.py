"""Parity of single modules and drive encoders; those with a file are loaded by the pack's own loader."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from einops import rearrange
from torch import Tensor

from sk_portrait.sk_attention.attention import (
    SKCrossAttention,
    SKReferenceAttention,
    SKReferenceAttentionV5,
    STKCrossAttention,
    STKReferenceModule,
)
from sk_portrait.sk_attention.drive import Expression
from sk_portrait.sk_attention.drive_encoders import SmallUnet
from sk_portrait.sk_attention.fan import CROP
from sk_portrait.sk_attention.motion import SKMotionModule, SKMotionModuleV5
from sk_portrait.sk_attention.published_files import DRIVE, FACE_MOTION, PROJECTION, find_part
from sk_portrait.testing.golden import Golden
from sk_portrait.testing.golden_networks import frames_first
from sk_portrait.testing.rule import draw

Compared = Iterator[tuple[str, Tensor, Tensor]]  # (key of the output, our result, reference)


def _reference(name: str, make):
    def case(golden: Golden, host) -> Compared:
        t = golden.tensors(name)
        settings = golden.index["cases"][name]
        module = golden.fill(make(settings["in_channels"], operations=host.operations), name)
        yield "y", module(t["x"], module.project(t["ref"])), t["y"]

    return case


def _sk_cross(golden: Golden, host) -> Compared:
    t = golden.tensors("sk_cross_v1")
    s = golden.index["cases"]["sk_cross_v1"]
    module = SKCrossAttention(
        s["channel_in"], s["channel_out"], s["cross_attention_dim"], 64, 1024, operations=host.operations
    )
    yield "y", golden.fill(module, "sk_cross_v1")(t["x"], t["context"]), t["y"]


def _stk_cross(name: str, tables):
    def case(golden: Golden, host) -> Compared:
        t = golden.tensors(name)
        x = rearrange(t["x"], "b f c h w -> (b f) c h w")
        module = STKCrossAttention(
            x.shape[1], t["context"].shape[-1], tables, mid=32, operations=host.operations
        )
        y = golden.fill(module, name)(x, t["context"].flatten(0, 1))
        yield "y", y, t["y"].flatten(0, 1)

    return case


def _small_unet(name: str, tables):
    def case(golden: Golden, host) -> Compared:
        t = golden.tensors(name)
        s = golden.index["cases"][name]
        net = SmallUnet(
            s["mid_channels"], s["out_channels"], t["context"].shape[-1], tables, operations=host.operations
        )
        for i, y in enumerate(golden.fill(net, name)(frames_first(t["x"]), t["context"].flatten(0, 1))):
            yield f"feat_{i}", y, frames_first(t[f"feat_{i}"])

    return case


def _expression(t: dict[str, Tensor], motion: bool) -> Expression:
    if motion:
        return Expression(face_motion=t["emo_embedding"].flatten(0, 1))
    return Expression(t["drive_coeff"].flatten(0, 1), t["face_parts"].flatten(0, 1))


def _sk_drive(name: str, version: str, repository: str, keys: dict[str, str]):
    """Return the case of a drive encoder. keys: block boundary -> name of the golden output."""

    def case(golden: Golden, host) -> Compared:
        t = golden.tensors(name)
        s = golden.index["cases"][name]
        part = find_part(DRIVE, version, repository)
        sizes = dict(part.published) | {
            "widths": s["block_out_channels"],
            "context_dim": s["cross_attention_dim"],
        }
        net = golden.loaded(name, part, sizes, host.operations).module
        features = net(frames_first(t["condition"]), _expression(t, motion="emo_embedding" in t))
        for boundary, key in keys.items():
            yield key, features[boundary], frames_first(t[key])

    return case


_BOUNDARY_KEYS = {f"{way}_{i}": f"{way}3_{i}" for way in ("down", "up") for i in range(4)}


def _full_drive(version: str):
    """Return the case of the full-size encoders, with both kinds of expression.

    The golden data contain every 8th channel.
    """
    name = f"control_{version}"

    def case(golden: Golden, host) -> Compared:
        t = golden.tensors(name)
        part = find_part(DRIVE, version)
        net = golden.loaded(name, part, part.published, host.operations).module
        if version != "v3":
            projection = find_part(PROJECTION, version)
            net.projection = golden.loaded(
                f"{name}_proj", projection, projection.published, host.operations
            ).module
        for kind in ("coeff", "emo"):
            picture, expression = frames_first(t["condition"]), _expression(t, motion=kind == "emo")
            features = dict(net(picture, expression))
            if version != "v3":
                features |= {f"feat_{i}": y for i, y in enumerate(net.base(picture, expression))}
            for boundary, y in features.items():
                if (key := f"{kind}.{_BOUNDARY_KEYS.get(boundary, boundary)}") in t:
                    yield key, y[:, ::8], frames_first(t[key])

    return case


def _fan(golden: Golden, host) -> Compared:
    crop = torch.from_numpy(draw(golden.salt, "fan_encoder:x", (2, 3, CROP, CROP))).clamp(-3, 3) / 3
    yield (
        "y",
        golden.loaded("fan_encoder", find_part(FACE_MOTION, "v1"), {}).module(crop),
        golden.tensors("fan_encoder")["y"],
    )


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


CASES = {
    "sk_reference_v1": _reference("sk_reference_v1", SKReferenceAttention),
    "sk_reference_v3": _reference("sk_reference_v3", SKReferenceAttention),
    "sk_reference_v5": _reference("sk_reference_v5", SKReferenceAttentionV5),
    "stk_reference_v5b": _reference("stk_reference_v5b", STKReferenceModule),
    "sk_cross_v1": _sk_cross,
    "stk_cross_v4": _stk_cross("stk_cross_v4", (512, 1024)),
    "stk_cross_v5": _stk_cross("stk_cross_v5", None),
    "small_unet_v4": _small_unet("small_unet_v4", (512, 1024)),
    "small_unet_v5": _small_unet("small_unet_v5", None),
    "control_v1": _sk_drive(
        "control_v1", "v1", "coefficients_drive", {f"down_{i}": f"down_{i}" for i in range(3)}
    ),
    "control2_v1": _sk_drive(
        "control2_v1", "v1", "motion_drive", {f"down_{i}": f"down2_{i}" for i in range(3)}
    ),
    "control_v2": _sk_drive(
        "control_v2", "v2", "coefficients_drive", {f"up_{i}": f"up_v2_{i}" for i in range(4)}
    ),
    "control2_v2": _sk_drive(
        "control2_v2", "v2", "motion_drive", {f"up_{i}": f"up2_v2_{i}" for i in range(4)}
    ),
    "control_v3": _full_drive("v3"),
    "control_v4": _full_drive("v4"),
    "control_v5": _full_drive("v5"),
    "fan_encoder": _fan,
    "sk_motion_v3": _module(
        "sk_motion_v3", lambda operations: SKMotionModule(64, embedding_dim=48, operations=operations)
    ),
    "sk_motion_v5": _module("sk_motion_v5", lambda operations: SKMotionModuleV5(64, operations=operations)),
}
OUTPUTS = dict.fromkeys(CASES, r"y(_nopad)?|feat_.*|(coeff|emo)\..*|(down|up)2?_.*")
SLOW_WITHOUT_COMFY = {"control_v3", "control_v4", "control_v5"}
