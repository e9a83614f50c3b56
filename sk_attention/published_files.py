"""Table of the official HelloMeme files.

A file is recognised by its keys and its network is built from its shapes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from torch import Tensor, nn

from ..errors import ModelFileError
from ..unet.networks.animatediff import TABLE, AnimateDiff
from .drive_encoders import PROJECTION_MAPS, BaseDriveEncoder, Projection, SKDriveEncoder
from .fan import FanEncoder
from .motion import SKMotion
from .reference import ReferenceAdapter
from .versions import PAGE, VERSIONS, having


class CheckpointError(ModelFileError):
    """A model file is incomplete or of another kind. The message names the tensors that show it."""


class Shapes(dict):
    """State-dict name -> shape."""

    @classmethod
    def of(cls, state: Mapping[str, Tensor]) -> Shapes:
        """Return the shapes of a state dict."""
        return cls({key: tuple(value.shape) for key, value in state.items()})

    def width(self, key: str, axis: int = 0) -> int:
        """Return the size of one axis of a tensor.

        Raises CheckpointError if the tensor is missing or has fewer axes.
        """
        shape = self.get(key)
        if shape is None or len(shape) <= axis:
            raise CheckpointError(
                f"the tensor {key!r} is {'missing' if shape is None else f'of shape {tuple(shape)}'}"
            )
        return shape[axis]

    def widths(self, pattern: str, axis: int = 0) -> list[int]:
        """Return `width` of pattern.format(0), pattern.format(1), ... for all modules that exist."""
        prefix = re.escape(pattern[: pattern.index("{}")])
        indices = {int(m[1]) for key in self if (m := re.match(prefix + r"(\d+)\.", key))}
        return [self.width(pattern.format(i), axis) for i in range(max(indices, default=-1) + 1)]


@dataclass(frozen=True, eq=False)
class Part:
    """One kind of official file.

    marks, lacks: keys that this kind has, and keys that it has not; together no other kind matches
    repository:   field of `Version` that names the repository
    network:      class of the network
    fixed:        arguments that are the same for every file of the kind
    sizes:        reads the remaining arguments from the shapes of a file
    published:    the remaining arguments of the official files
    """

    kind: str
    versions: tuple[str, ...]
    repository: str
    marks: tuple[str, ...]
    network: Callable[..., nn.Module]
    sizes: Callable[[Shapes], dict[str, Any]]
    published: Mapping[str, Any]
    fixed: Mapping[str, Any] = field(default_factory=dict)
    lacks: tuple[str, ...] = ()

    @property
    def repositories(self) -> dict[str, str]:
        """{version: repository}."""
        return {name: getattr(VERSIONS[name], self.repository) for name in self.versions}

    @property
    def pages(self) -> tuple[str, ...]:
        """Addresses of the repositories, without duplicates."""
        return tuple(PAGE + name for name in dict.fromkeys(self.repositories.values()))

    def matches(self, keys) -> bool:
        """Whether a file with these keys is of this kind."""
        return all(key in keys for key in self.marks) and not any(key in keys for key in self.lacks)

    def build(self, sizes: Mapping[str, Any], operations=nn) -> nn.Module:
        """Build the network at the given sizes (`sizes(shapes)`, `published`, or smaller ones for tests)."""
        return self.network(**self.fixed, **sizes, operations=operations)

    def __str__(self) -> str:
        return f"{' or '.join(self.versions)} {self.kind}"


REFERENCE, DRIVE, PROJECTION, FACE_MOTION = (
    "reference adapter",
    "drive encoder",
    "drive projection",
    "face motion encoder",
)
MOTION, ANIMATEDIFF = "SK motion", "AnimateDiff"

UP0 = "reference_modules_up.0."


def _reference_sizes(
    extra: Mapping[str, tuple[str, int]] = MappingProxyType({}),
    up: str = "reference_modules_up.{}.proj.weight",
) -> Callable[[Shapes], dict]:
    """Return a function that reads the sizes of a reference adapter.

    extra: argument -> (key, axis) to read it from.
    """

    def sizes(shapes: Shapes) -> dict:
        mid = "reference_modules_mid.proj.weight"
        return {
            "up": shapes.widths(up),
            "down": shapes.widths("reference_modules_down.{}.proj.weight"),
            "mid": shapes.width(mid) if mid in shapes else None,
            **{name: shapes.width(*place) for name, place in extra.items()},
        }

    return sizes


def _reference(
    versions: tuple[str, ...], block: str, marks, sizes, published, first_up: int = 0, lacks=()
) -> Part:
    fixed = {"block": block, "first_up": first_up}
    return Part(REFERENCE, versions, "reference", marks, ReferenceAdapter, sizes, published, fixed, lacks)


def _sk_drive_sizes(shapes: Shapes) -> dict:
    block0 = "blocks_down.0."
    return {
        "widths": [shapes.width("conv_in.weight"), *shapes.widths("blocks_down.{}.proj.weight")],
        "context_dim": shapes.width(block0 + "attn1.to_k.weight", 1),
        "table_lengths": (
            shapes.width(block0 + "pos_embed.pe", 1),
            shapes.width(block0 + "pos_embed_hidden.pe", 1),
        ),
        "down_taps": [
            shapes.width(f"{tap}.weight")
            for tap in ("conv_up2_down0", "conv_up1_down1")
            if f"{tap}.weight" in shapes
        ],
    }


def _sk_drive(
    version: str, repository: str, marks, lacks=(), kinds=("coefficients", "face_motion"), hidden=1024
) -> Part:
    boundaries, prescale, widths = {
        "v1": (("down_0", "down_1", "down_2"), 8, (128, 320, 640, 1280)),
        "v2": (("up_3", "up_2", "up_1", "up_0"), 4, (128, 640, 1280, 1280, 1280)),
        "v3": (("up_3", "up_2", "up_1", "up_0"), 4, (128, 640, 1280, 1280, 1280)),
    }[version]
    taps = (320, 640) if version == "v3" else ()
    published = {"widths": widths, "context_dim": 320, "table_lengths": (64, hidden), "down_taps": taps}
    fixed = {"boundaries": boundaries, "prescale": prescale, "kinds": kinds}
    return Part(
        DRIVE, (version,), repository, marks, SKDriveEncoder, _sk_drive_sizes, published, fixed, lacks
    )


def _base_drive_sizes(shapes: Shapes) -> dict:
    attention0 = "ctrl_attn.attn_blocks.0."
    tables = [f"{attention0}{name}.pe" for name in ("pos_embed", "pos_embed_hidden")]
    widths = shapes.widths("ctrl_attn.down_blocks.{}.conv1.weight")
    return {
        "widths": widths,
        "out": shapes.width(f"ctrl_attn.up_blocks.{len(widths) - 1}.0.weight"),
        "context_dim": shapes.width("exp_proj.linear_2.weight"),
        "tokens": shapes.width("exp_pre_proj.linear_2.weight"),
        "embedding": shapes.width("exp_proj.linear_1.weight", 1),
        "table_lengths": tuple(shapes.width(key, 1) for key in tables) if tables[0] in shapes else None,
    }


_BASE_PUBLISHED = {"widths": (320, 640, 1280), "out": 320, "context_dim": 2048}


def _projection_sizes(with_attention: bool) -> Callable[[Shapes], dict]:
    def widths(shapes: Shapes, name: str) -> tuple[int, ...]:
        weight = f"{name}.proj.weight" if with_attention else f"{name}.weight"
        mid = (shapes.width(f"{name}.attn.conv_in.weight"),) if with_attention else ()
        return shapes.width(weight, 1), shapes.width(weight), *mid

    return lambda shapes: {"widths": {name: widths(shapes, name) for name in PROJECTION_MAPS}}


def _projection_published(with_attention: bool) -> dict:
    sizes = {
        name: tuple(int(n) for n in name.removeprefix("map").split("_")[:3:2]) for name in PROJECTION_MAPS
    }
    return {"widths": {name: (a, b, b // 4) if with_attention else (a, b) for name, (a, b) in sizes.items()}}


def _motion(versions: tuple[str, ...], block: str, weight: str, **extra: tuple[str, int]) -> Part:
    """Return the part of an SK motion file.

    weight: a tensor of every module with as many channels as the module; extra: argument -> (key in the first
    module, axis) to read it from.
    """

    def sizes(shapes: Shapes) -> dict:
        widths = {side: shapes.widths(f"motion_{side}.{{}}.{weight}") for side in ("down", "up")}
        return widths | {
            name: shapes.width(f"motion_down.0.{key}", axis) for name, (key, axis) in extra.items()
        }

    published = {"down": (320, 640, 1280, 1280), "up": _UP_V3}
    return Part(
        MOTION,
        versions,
        "motion",
        (f"motion_down.0.{weight}",),
        SKMotion,
        sizes,
        published,
        {"block": block},
    )


def _animatediff_sizes(shapes: Shapes) -> dict:
    mid = "mid_block.motion_modules.0.proj_in.weight"
    return {
        "down": shapes.widths("down_blocks.{}.motion_modules.0.proj_in.weight"),
        "up": shapes.widths("up_blocks.{}.motion_modules.0.proj_in.weight"),
        "mid": shapes.width(mid) if mid in shapes else None,
        "table_length": shapes.width("down_blocks.0.motion_modules.0." + TABLE, 1),
    }


_MID = "reference_modules_mid.proj.weight"
_UP3 = "reference_modules_up.3.proj.weight"
_TABLE = {"table_length": (UP0 + "pos_embed.pe", 1)}
_EXP, _EMO = "exp_proj.linear_1.weight", "emo_proj.linear_1.weight"
_BLOCK2, _BLOCK3 = "blocks_down.2.proj.weight", "blocks_down.3.proj.weight"
_TAP = "conv_up2_down0.weight"
_BASE, _BASE_TABLE = "ctrl_attn.attn_blocks.0.conv_in.weight", "ctrl_attn.attn_blocks.0.pos_embed.pe"
_UP_V1, _UP_V3 = (1280, 1280, 640), (1280, 1280, 1280, 640)

PARTS = (
    _reference(
        ("v1",),
        "sinusoidal",
        (_MID, UP0 + "pos_embed.pe"),
        _reference_sizes(_TABLE),
        {"up": _UP_V1, "down": (320, 640, 1280, 1280), "mid": 1280},
        first_up=1,
    ),
    _reference(
        ("v2",),
        "sinusoidal",
        (UP0 + "pos_embed.pe",),
        _reference_sizes(_TABLE),
        {"up": _UP_V1},
        1,
        lacks=(_MID, _UP3),
    ),
    _reference(
        ("v3", "v4"),
        "sinusoidal",
        (UP0 + "pos_embed.pe", _UP3),
        _reference_sizes(_TABLE),
        {"up": _UP_V3},
        lacks=(_MID,),
    ),
    _reference(
        ("v5",),
        "linear",
        (UP0 + "time_emb_proj.weight",),
        _reference_sizes({"embedding_dim": (UP0 + "time_emb_proj.weight", 1)}),
        {"up": _UP_V3},
    ),
    _reference(
        ("v5b", "v5c"),
        "self_attended",
        (UP0 + "attn_ref.proj.weight",),
        _reference_sizes(up="reference_modules_up.{}.attn.proj.weight"),
        {"up": _UP_V3},
    ),
    _sk_drive("v1", "coefficients_drive", (_EXP, _BLOCK2), (_BLOCK3, _EMO), ("coefficients",), hidden=64),
    _sk_drive("v1", "motion_drive", (_EMO, _BLOCK2), (_BLOCK3, _EXP), ("face_motion",)),
    _sk_drive("v2", "coefficients_drive", (_EXP, _BLOCK3), (_TAP, _EMO), ("coefficients",)),
    _sk_drive("v2", "motion_drive", (_EMO, _BLOCK3), (_TAP, _EXP), ("face_motion",)),
    _sk_drive("v3", "coefficients_drive", (_BLOCK3, _TAP)),
    Part(
        DRIVE,
        ("v4",),
        "coefficients_drive",
        (_BASE, _BASE_TABLE),
        BaseDriveEncoder,
        _base_drive_sizes,
        _BASE_PUBLISHED | {"table_lengths": (512, 1024)},
    ),
    Part(
        DRIVE,
        ("v5", "v5b", "v5c"),
        "coefficients_drive",
        (_BASE,),
        BaseDriveEncoder,
        _base_drive_sizes,
        _BASE_PUBLISHED,
        lacks=(_BASE_TABLE,),
    ),
    Part(
        PROJECTION,
        ("v4",),
        "projection",
        ("map320_to_320.weight",),
        Projection,
        _projection_sizes(False),
        _projection_published(False),
    ),
    Part(
        PROJECTION,
        ("v5", "v5b", "v5c"),
        "projection",
        ("map320_to_320.proj.weight",),
        Projection,
        _projection_sizes(True),
        _projection_published(True),
    ),
    Part(
        FACE_MOTION,
        tuple(VERSIONS),
        "face_motion",
        ("model.fc.weight", "to_mouth.0.weight"),
        FanEncoder,
        lambda shapes: {},
        {},
    ),
    _motion(
        ("v3", "v4"),
        "timed",
        "proj.weight",
        embedding_dim=("time_emb_proj.weight", 1),
        table_length=("pos_embed_t.pe", 1),
    ),
    _motion(("v5", "v5b", "v5c"), "doubled", "attn_pad.proj_in.weight", table_length=("attn1." + TABLE, 1)),
    Part(
        ANIMATEDIFF,
        having("animatediff"),
        "animatediff",
        ("down_blocks.0.motion_modules.0.proj_in.weight",),
        AnimateDiff,
        _animatediff_sizes,
        {"down": (320, 640, 1280, 1280), "up": (1280, 1280, 640, 320), "mid": 1280},
    ),
)


def find_part(kind: str, version: str, repository: str | None = None) -> Part:
    """Return the part of a kind and version.

    repository: tells the two drive encoders of v1 and v2 apart; None = the first match.
    """
    return next(
        p for p in PARTS if p.kind == kind and version in p.versions and repository in (None, p.repository)
    )
