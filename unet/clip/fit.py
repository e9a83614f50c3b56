"""Fits features of the whole picture to a UNet call that shows part
of the picture, or all of it at another size.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor

from ...errors import SizeError
from .run import Area

log = logging.getLogger(__name__)

CELL = 8  # image pixels per latent pixel, along each axis
# How many times the UNet has halved the latent at each block boundary; an odd side is rounded up each time.
HALVINGS = {
    "down_0": 1,
    "down_1": 2,
    "down_2": 3,
    "down_3": 3,
    "mid": 3,
    "up_0": 3,
    "up_1": 2,
    "up_2": 1,
    "up_3": 0,
}

Size = tuple[int, int]  # (height, width)


class View(NamedTuple):
    """The part of the picture that one chunk of a UNet call shows.

    size: of the whole picture; area: the part, None = all of it; both in latent pixels.
    """

    size: Size
    area: Area | None = None

    @property
    def shown(self) -> Size:
        """(height, width) of the part that is shown, in latent pixels."""
        return self.size if self.area is None else (self.area.height, self.area.width)

    def pixels(self, picture: Tensor) -> Tensor:
        """Crop a picture (n, C, h, w) of any resolution to the part that is shown, in image pixels."""
        height, width = self.size
        whole = resized(picture, (CELL * height, CELL * width))
        return whole if self.area is None else cut(whole, Area(*(CELL * side for side in self.area)))

    def whole(self, boundary: str) -> Size:
        """(height, width) of the whole picture's features at a block boundary."""
        return _halved(self.size, HALVINGS[boundary])

    def at(self, boundary: str, seen: Size | None = None) -> tuple[Size, Area]:
        """(size of the whole picture, the part that is shown), both in feature pixels at a block boundary.

        seen: actual size of the features there, if a node has resized them inside the UNet. The origin of the
        part is rounded to the nearest feature pixel.
        """
        shown = _halved(self.shown, HALVINGS[boundary])
        seen = seen or shown
        height, width = (
            max(round(w * a / b), a) for w, a, b in zip(self.whole(boundary), seen, shown, strict=True)
        )
        whole = height, width
        starts = (0, 0) if self.area is None else self.area[2:]
        begin = (
            min(round(start * w / full), w - a)
            for start, w, full, a in zip(starts, whole, self.size, seen, strict=True)
        )
        return whole, Area(*seen, *begin)


def notice_size(features: Mapping[str, Tensor], view: View, what: str, remedy: str) -> None:
    """Log a warning if features (n, C, h, w) per block boundary have another size than the sampled latent.

    Raises SizeError if the aspect ratio differs too. what: names the features; remedy: ends the message.
    """
    boundary = min(features, key=HALVINGS.__getitem__)
    size, whole = size_of(features[boundary]), view.whole(boundary)
    if size == whole:
        return
    cell = CELL * 2 ** HALVINGS[boundary]
    sizes = f"made for {size[1] * cell}x{size[0] * cell} px, and {view.size[1] * CELL}x{view.size[0] * CELL} px are sampled"
    # A difference of one latent pixel per side is rounding.
    if abs(size[0] * whole[1] - size[1] * whole[0]) >= max(size + whole):
        raise SizeError(
            f"The {what} was {sizes}, another aspect ratio: {remedy}.",
            (size[1] * cell, size[0] * cell),
            (view.size[1] * CELL, view.size[0] * CELL),
        )
    log.warning("The %s was %s: it is resized. For the best picture %s.", what, sizes, remedy)


def size_of(features: Tensor) -> Size:
    """(h, w) of features (..., h, w)."""
    height, width = features.shape[-2:]
    return height, width


def fitted(features: Tensor, boundary: str, view: View) -> Tensor:
    """Resize features (n, C, h, w) of the whole picture, at any size, and crop them to the part (n, C, h',
    w') that the chunk shows.
    """
    whole, part = view.at(boundary)
    return cut(resized(features, whole), part)


def resized(features: Tensor, size: Size) -> Tensor:
    """Resize features (n, C, h, w) to (n, C, *size); they are returned unchanged if they have that size."""
    if size_of(features) == tuple(size):
        return features
    return F.interpolate(features, size=size, mode="bilinear", align_corners=False)


def cut(features: Tensor, part: Area) -> Tensor:
    """Crop features (..., h, w) of the whole picture to (..., part.height, part.width)."""
    return features[..., part.top : part.top + part.height, part.left : part.left + part.width]


def _halved(size: Size, times: int) -> Size:
    height, width = (-(-side // 2**times) for side in size)
    return height, width
