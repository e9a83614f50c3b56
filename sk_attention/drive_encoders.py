"""The drive encoders, every version: head-pose picture and expression ->
features at the block boundaries (section 3.3).

Axis letters: F frames (encoded independently), n expression tokens, D token width.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import SizeError
from ..unet.networks.layers import ResidualDown, TimestepMLP, conv3x3, timestep_embedding
from .attention import SKCrossAttention, STKAttention, STKCrossAttention
from .drive import Expression

COEFFICIENTS = 51  # ARKit blend shapes without tongueOut
COEFFICIENT_SCALE = 500.0  # factor of a coefficient before its sinusoidal embedding
FACE_MOTION = 548  # PD-FGC: eye 6 | emotion 30 | mouth 512
FACE_MOTION_SCALE = 20.0
SMALLEST = 64  # image pixels per pixel of the smallest feature


class SKDriveEncoder(nn.Module):
    """Drive encoder of v1, v2 and v3: a chain of cross-attention blocks, each of
    which outputs the feature of one block boundary.

    widths:     channels of conv_in and of every block
    boundaries: block boundary of each block, in order
    prescale:   factor by which the head-pose picture is shrunk first
    kinds:      supported expression kinds, of "coefficients" and "face_motion"
    down_taps:  channels of v3's two features for the down path; empty = none
    """

    def __init__(
        self,
        widths: Sequence[int],
        context_dim: int,
        boundaries: Sequence[str],
        prescale: int,
        table_lengths: tuple[int, int],
        kinds: Sequence[str],
        down_taps: Sequence[int] = (),
        operations=nn,
    ):
        super().__init__()
        self.boundaries, self.prescale, self.context_dim, self.kinds = (
            tuple(boundaries),
            prescale,
            context_dim,
            tuple(kinds),
        )
        self.conv_in = conv3x3(3, widths[0], bias=False, operations=operations)
        if "coefficients" in kinds:
            self.exp_proj = TimestepMLP(context_dim, context_dim, operations)
            self.face_proj = TimestepMLP(1024, context_dim, operations)
        if "face_motion" in kinds:
            self.emo_proj = TimestepMLP(context_dim, context_dim, operations)
        self.blocks_down = nn.ModuleList(
            SKCrossAttention(a, b, context_dim, *table_lengths, operations=operations)
            for a, b in zip(widths, widths[1:])
        )
        if down_taps:
            self.conv_up2_down0 = operations.Conv2d(widths[2], down_taps[0], 1, bias=False)
            self.conv_up1_down1 = operations.Conv2d(widths[3], down_taps[1], 1, bias=False)

    def require_size(self, height: int, width: int) -> None:
        """Raise SizeError for head-pose pictures that the encoder would reduce to a single feature pixel,
        which instance norm does not support.
        """
        _require_cells(height, width)

    def tokens(self, expression: Expression, like: Tensor) -> Tensor:
        """Return (F, 54, D): 3 patches, then 51 coefficients, through
        one projection; or (F, 548, D) for face motion.
        """
        if expression.face_motion is not None:
            return self.emo_proj(_embed(expression.face_motion, FACE_MOTION_SCALE, self.context_dim, like))
        values, patches = expression.spoken
        coefficients = _embed(values, COEFFICIENT_SCALE, self.context_dim, like)
        return self.exp_proj(torch.cat([self.face_proj(patches.to(like)), coefficients], dim=1))

    def forward(self, picture: Tensor, expression: Expression) -> dict[str, Tensor]:
        """picture (F, 3, H, W), RGB in -1..1, background -1 -> {block boundary: (F, C, h, w)}."""
        x = self.conv_in(_shrink(picture, self.prescale))
        tokens = self.tokens(expression, x)
        features = {}
        for boundary, block in zip(self.boundaries, self.blocks_down):
            features[boundary] = x = block(x, tokens)
        if hasattr(self, "conv_up2_down0"):
            features["down_0"] = self.conv_up2_down0(features["up_2"])
            features["down_1"] = self.conv_up1_down1(features["up_1"])
            features["down_2"] = features["down_3"] = features["up_0"]
        return features


class SmallUnet(nn.Module):
    """Small UNet of the v4 and v5 base encoders: three halvings with cross-attention, then three
    upsampling steps with skips.
    """

    def __init__(
        self,
        widths: Sequence[int],
        out: int,
        context_dim: int,
        table_lengths=None,
        in_channels: int = 3,
        operations=nn,
    ):
        super().__init__()
        chain = (in_channels, *widths)
        self.down_blocks = nn.ModuleList(ResidualDown(a, b, operations) for a, b in zip(chain, widths))
        self.attn_blocks = nn.ModuleList(
            STKCrossAttention(w, context_dim, table_lengths, operations=operations) for w in widths
        )
        rising = (*reversed(widths), out)
        self.up_blocks = nn.ModuleList(
            nn.Sequential(conv3x3(a, b, operations=operations)) for a, b in zip(rising, rising[1:])
        )

    def forward(self, x: Tensor, tokens: Tensor) -> list[Tensor]:
        """x (F, 3, H, W), tokens (F, n, D) -> [feat_0 (H/8), feat_1 (H/4), feat_2 (H/2), feat_3 (H)]."""
        skips = []
        for down, attend in zip(self.down_blocks, self.attn_blocks):
            x = attend(down(x), tokens)
            skips.append(x)
        features = [skips.pop()]
        for convolution in self.up_blocks:
            x = F.silu(F.instance_norm(convolution(x)))
            x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
            x = x + skips.pop() if skips else x
            features.append(x)
        return features


class BaseDriveEncoder(nn.Module):
    """Base drive encoder of v4 and v5: expression tokens (16), a small
    UNet, and a projection to the block boundaries.

    projection: maps the features to the block boundaries; loaded from another file, None = `base` only.
    """

    kinds = ("coefficients", "face_motion")

    def __init__(
        self,
        widths,
        out,
        context_dim,
        tokens=16,
        embedding=1024,
        table_lengths=None,
        projection=None,
        operations=nn,
    ):
        super().__init__()
        self.embedding = embedding
        for name, count, width in (
            ("exp", COEFFICIENTS, embedding),
            ("face", 3, 1024),
            ("emo", FACE_MOTION, embedding),
        ):
            setattr(
                self, f"{name}_pre_proj", TimestepMLP(count, tokens, operations)
            )  # mixes along the axis of the scalar inputs
            setattr(self, f"{name}_proj", TimestepMLP(width, context_dim, operations))
        self.ctrl_attn = SmallUnet(widths, out, context_dim, table_lengths, operations=operations)
        self.projection = projection

    def require_size(self, height: int, width: int) -> None:
        """Raise SizeError for head-pose pictures with sides that are no multiples of 64 px, or that are
        reduced to one feature pixel.
        """
        if height % SMALLEST or width % SMALLEST:
            raise SizeError(
                f"The head-pose pictures are {width}x{height} and this drive encoder takes sides that are multiples of {SMALLEST} px.",
                (width, height),
            )
        _require_cells(height, width)

    def _mix(self, name: str, x: Tensor) -> Tensor:
        mixed = getattr(self, f"{name}_pre_proj")(x.transpose(1, 2)).transpose(1, 2)
        return getattr(self, f"{name}_proj")(mixed)

    def tokens(self, expression: Expression, like: Tensor) -> Tensor:
        """Return the expression tokens (F, 16, D)."""
        if expression.face_motion is not None:
            return self._mix("emo", _embed(expression.face_motion, FACE_MOTION_SCALE, self.embedding, like))
        values, patches = expression.spoken
        coefficients = _embed(values, COEFFICIENT_SCALE, self.embedding, like)
        return self._mix("exp", coefficients) + self._mix("face", patches.to(like))

    def base(self, picture: Tensor, expression: Expression) -> list[Tensor]:
        """Return the features before the projection: feat_0 .. feat_3."""
        x = _shrink(picture, 8)
        return self.ctrl_attn(x, self.tokens(expression, x))

    def forward(self, picture: Tensor, expression: Expression) -> dict[str, Tensor]:
        """picture (F, 3, H, W), RGB in -1..1 -> {block boundary: (F, C, h, w)}."""
        assert self.projection is not None, "the nodes join a base with its projection"
        return self.projection(self.base(picture, expression))


# Map of the official projections -> (feature of the base network, block boundary).
PROJECTION_MAPS = {
    "map1280_to_1280": (0, "up_0"),
    "map640_to_1280": (1, "up_1"),
    "map320_to_1280": (2, "up_2"),
    "map320_to_640": (3, "up_3"),
    "map320_to_320": (2, "down_0"),
    "map640_to_640": (1, "down_1"),
    "map1280_to_1280_2": (0, "down_2"),
    "map1280_to_1280_3": (0, "down_3"),
}


class SKProjector(nn.Module):
    """Projection module of v5: 3x3 convolution, then SK attention with a quarter of the channels."""

    def __init__(self, in_channels: int, out_channels: int, mid: int, operations=nn):
        super().__init__()
        self.proj = conv3x3(in_channels, out_channels, bias=False, operations=operations)
        self.attn = STKAttention(out_channels, mid, operations)

    def forward(self, x: Tensor) -> Tensor:
        return self.attn(self.proj(x))


class Projection(nn.Module):
    """Maps the features of the base network to the block boundaries.

    widths: {map name: channels}, (in, out) for v4's plain convolutions, (in, out, mid) for v5's.
    """

    def __init__(self, widths: Mapping[str, Sequence[int]], operations=nn):
        super().__init__()
        for name, (a, b, *mid) in widths.items():
            module = (
                SKProjector(a, b, *mid, operations=operations)
                if mid
                else conv3x3(a, b, bias=False, operations=operations)
            )
            self.add_module(name, module)

    def forward(self, features: Sequence[Tensor]) -> dict[str, Tensor]:
        return {boundary: getattr(self, name)(features[i]) for name, (i, boundary) in PROJECTION_MAPS.items()}


def _require_cells(height: int, width: int) -> None:
    if max(height, width) <= SMALLEST:
        raise SizeError(
            f"The head-pose pictures are {width}x{height}; drive encoders take more than {SMALLEST} px along one side.",
            (width, height),
        )


def _shrink(picture: Tensor, factor: int) -> Tensor:
    return F.interpolate(picture, scale_factor=1 / factor, mode="bilinear", align_corners=False)


def _embed(values: Tensor, scale: float, dim: int, like: Tensor) -> Tensor:
    """Embed values (F, n) -> (F, n, dim)."""
    return timestep_embedding(values.to(like.device).float() * scale, dim).to(like)
