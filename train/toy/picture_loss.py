"""The loss that compares a decoded picture with its drawing.

It has four parts. Two are errors of the colours (more at eyes and mouth) and of the differences between
neighbouring pixels. These two prefer a soft edge to one in the wrong place. The other two do not: the error of the
mean difference in each window, and a perceptual error (arXiv 1801.03924). The perceptual error is the distance
between the feature maps of a network that learned to read drawings.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from .feature_network import FeatureNetwork
from .half_precision import half_precision

WINDOW = 8  # pixels across which sharpness is compared
# Weights of the parts relative to the absolute error of the colours.
SQUARE, EDGES, SHARP, PERCEPTUAL = 20.0, 1.7, 13.3, 0.5
MARKED = 1.5  # additional weight of the colours of eyes and mouth
TINY = 1e-4  # avoids division by zero for features that are all zero


class PictureLoss(nn.Module):
    """The loss for decoded pictures and drawings, both (B, 3, H, W) in 0..1, and (B, 1, H, W) masks of eyes and
    mouth.
    """

    def __init__(self, features: FeatureNetwork):
        super().__init__()
        self.features = features

    def forward(self, decoded: Tensor, pictures: Tensor, marks: Tensor) -> Tensor:
        off = decoded - pictures
        colours = ((off.abs() + SQUARE * off**2) * (1 + MARKED * marks)).mean()
        edges = sum(off.diff(dim=axis).abs().mean() for axis in (-2, -1))
        sharpness = sum(
            (_sharpness(decoded, axis) - _sharpness(pictures, axis)).abs().mean() for axis in (-2, -1)
        )
        return colours + EDGES * edges + SHARP * sharpness + PERCEPTUAL * self.perceptual(decoded, pictures)

    def perceptual(self, decoded: Tensor, pictures: Tensor) -> Tensor:
        """Return the mean squared distance between the feature maps, which have unit length at each position,
        summed over the maps.
        """
        with half_precision(decoded):
            maps = zip(self.features.maps(decoded), self.features.maps(pictures))
        return sum((_unit(a.float()) - _unit(b.float())).square().sum(1).mean() for a, b in maps)


def _sharpness(pictures: Tensor, axis: int) -> Tensor:
    """Return the mean absolute difference of neighbouring pixels along an axis, in each window."""
    return F.avg_pool2d(pictures.diff(dim=axis).abs(), WINDOW, WINDOW // 2)


def _unit(features: Tensor) -> Tensor:
    return features / (features.square().sum(1, keepdim=True) + TINY).sqrt()
