"""The PD-FGC expression encoder (officially FanEncoder in songkey/pd_fgc_motion): a face crop -> 548 numbers.

A face-alignment hourglass (FAN, Bulat & Tzimiropoulos 2017) with three small
heads: 8.5 M weights, plain torch layers in fp32.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

CROP = 224  # pixels per side
BLACK = -1.0  # value of the crop that gives the null code of v1 and v2


class ConvBlock(nn.Module):
    """Pre-activation block that concatenates its three convolutions (1/2, 1/4, 1/4 of the channels)."""

    bn1: nn.BatchNorm2d
    bn2: nn.BatchNorm2d
    bn3: nn.BatchNorm2d
    conv1: nn.Conv2d
    conv2: nn.Conv2d
    conv3: nn.Conv2d

    def __init__(self, in_channels: int, out_channels: int):
        super().__init__()
        chain = (in_channels, out_channels // 2, out_channels // 4, out_channels // 4)
        for i, (a, b) in enumerate(zip(chain, chain[1:]), 1):
            self.add_module(f"bn{i}", nn.BatchNorm2d(a))
            self.add_module(f"conv{i}", nn.Conv2d(a, b, 3, padding=1, bias=False))
        self.downsample = None
        if in_channels != out_channels:
            self.downsample = nn.Sequential(
                nn.BatchNorm2d(in_channels), nn.ReLU(), nn.Conv2d(in_channels, out_channels, 1, bias=False)
            )

    def forward(self, x: Tensor) -> Tensor:
        first = self.conv1(F.relu(self.bn1(x)))
        second = self.conv2(F.relu(self.bn2(first)))
        third = self.conv3(F.relu(self.bn3(second)))
        short_cut = x if self.downsample is None else self.downsample(x)
        return torch.cat([first, second, third], dim=1) + short_cut


class Hourglass(nn.Module):
    """Hourglass of four levels.

    `b1_*` is the skip of each level, `b2_*` runs before the next lower level, `b3_*` after it.
    """

    b2_plus_1: ConvBlock

    def __init__(self, dim: int, depth: int = 4):
        super().__init__()
        self.depth = depth
        for level in range(depth, 0, -1):
            for name in (
                f"b1_{level}",
                f"b2_{level}",
                *(("b2_plus_1",) if level == 1 else ()),
                f"b3_{level}",
            ):
                self.add_module(name, ConvBlock(dim, dim))

    def forward(self, x: Tensor, level: int | None = None) -> Tensor:
        level = level or self.depth
        beside = getattr(self, f"b1_{level}")(x)
        low = getattr(self, f"b2_{level}")(F.max_pool2d(x, 2))
        low = self(low, level - 1) if level > 1 else self.b2_plus_1(low)
        low = getattr(self, f"b3_{level}")(low)
        return beside + F.interpolate(low, size=beside.shape[-2:], mode="bilinear", align_corners=False)


class FaceAlignmentTrunk(nn.Module):
    """Face-alignment trunk: crop (F, 3, 224, 224) -> (F, 512)."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=3)
        self.bn1 = nn.BatchNorm2d(64)
        self.conv2, self.conv3, self.conv4 = ConvBlock(64, 128), ConvBlock(128, 128), ConvBlock(128, 256)
        self.m0 = Hourglass(256)
        self.top_m_0 = ConvBlock(256, 256)
        self.conv_last0 = nn.Conv2d(256, 256, 1)
        self.bn_end0 = nn.BatchNorm2d(256)
        self.l0 = nn.Conv2d(256, 68, 1)
        self.bn5 = nn.BatchNorm2d(68)
        self.conv6 = nn.Conv2d(68, 1, 3, stride=2, padding=1)
        self.fc = nn.Linear((CROP // 8) ** 2, 512)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.bn1(self.conv1(x)))
        x = self.conv4(self.conv3(F.max_pool2d(self.conv2(x), 2)))
        x = self.bn_end0(self.conv_last0(self.top_m_0(self.m0(x))))
        x = F.relu(self.bn5(self.l0(F.relu(x))))
        return self.fc(F.relu(self.conv6(x).flatten(1)))


def _head() -> nn.Sequential:
    return nn.Sequential(nn.Linear(512, 512), nn.ReLU(), nn.BatchNorm1d(512), nn.Linear(512, 512))


def _embedding(width: int) -> nn.Sequential:
    return nn.Sequential(nn.ReLU(), nn.Linear(512, width))


class FanEncoder(nn.Module):
    """Computes eye (6), emotion (30) and mouth (512) codes of a face crop. Created in evaluation mode."""

    def __init__(self, operations=nn):
        super().__init__()
        self.model = FaceAlignmentTrunk()
        self.to_mouth, self.mouth_embed = (
            _head(),
            _embedding(500),
        )  # mouth_embed is in the official file and not used for the code
        self.to_eye, self.eye_embed = _head(), _embedding(6)
        self.to_emo, self.emo_embed = _head(), _embedding(30)
        self.eval()

    def forward(self, crop: Tensor) -> Tensor:
        """crop (F, 3, 224, 224), RGB in -1..1 -> (F, 548): eye 6 | emotion 30 | mouth 512."""
        x = self.model(crop)
        return torch.cat(
            [self.eye_embed(self.to_eye(x)), self.emo_embed(self.to_emo(x)), self.to_mouth(x)], dim=-1
        )

    def null(self) -> Tensor:
        """Return the code (1, 548) of a black crop."""
        weight = self.model.fc.weight
        return self(torch.full((1, 3, CROP, CROP), BLACK, device=weight.device, dtype=weight.dtype))
