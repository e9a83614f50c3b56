"""One frame of a film, as RGB pixels and as the planes of an encoder."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from .colour import SDR, Colour, rounded, to_planes, to_rgb
from .hdr import to_sdr
from .opencv import cv2


@dataclass
class RgbFrame:
    """A frame of (H, W, 3) uint8 pixels."""

    pixels: np.ndarray

    def rgb(self) -> np.ndarray:
        """Return (H, W, 3) uint8."""
        return self.pixels

    def stored(self, halved: bool) -> CodedFrame:
        """Return the frame as 8-bit BT.709. See `CodedFrame.stored`."""
        return _stored(to_planes(self.pixels), SDR, halved)


@dataclass
class CodedFrame:
    """A frame as a luma plane (H, W) and two chroma planes (h, w), uint8, or uint16 for more than 8 bits."""

    planes: list[np.ndarray]
    colour: Colour

    def rgb(self) -> np.ndarray:
        """Return (H, W, 3) uint8; HDR is tone-mapped to BT.709."""
        transfer = self.colour.hdr
        return to_rgb(
            self.planes, self.colour, (lambda signal: to_sdr(signal, transfer)) if transfer else None
        )

    def stored(self, halved: bool) -> CodedFrame:
        """Return a copy for an 8-bit encoder, in the same colour coding; HDR becomes BT.709.

        halved: halve the width and height of the chroma if both are even
        """
        if self.colour.hdr:
            return RgbFrame(self.rgb()).stored(halved)
        colour = replace(self.colour, bits=8)
        if self.colour.bits == 8:
            return _stored(self.planes, colour, halved)
        old, new = self.colour.encoding(), colour.encoding()
        scale, shift = np.float32(new[0, 1] / old[0, 1]), new[:, 3]
        planes = [
            (plane - np.float32(at)) * scale + np.float32(to)
            for plane, at, to in zip(self.planes, old[:, 3], shift)
        ]
        return _stored(planes, colour, halved)

    @property
    def format(self) -> str:
        """FFmpeg's name of the planes' format, one of those that `stored` returns."""
        return FORMATS[_ratio(self.planes)]

    def add(self, x: int, y: int, change: np.ndarray) -> None:
        """Add (h, w, 3) float32 differences of R'G'B' 0..1 at (x,
        y), in place; where they are 0, nothing changes.

        A chroma value is changed only if all pixels that it affects are inside,
        including pixels interpolated with its neighbours.
        """
        matrix = np.ascontiguousarray(self.colour.encoding()[:, :3], np.float32)
        height, width = self.planes[0].shape
        for plane, difference in zip(self.planes, cv2.split(cv2.transform(change, matrix))):
            across, down = width // plane.shape[1], height // plane.shape[0]
            left, top = -(-(x + across - 1) // across), -(-(y + down - 1) // down)
            right, bottom = (
                (x + change.shape[1] - across + 1) // across,
                (y + change.shape[0] - down + 1) // down,
            )
            inner = difference[top * down - y : bottom * down - y, left * across - x : right * across - x]
            if inner.size:
                small = cv2.resize(inner, (right - left, bottom - top), interpolation=cv2.INTER_AREA)
                part = plane[top:bottom, left:right]
                part[:] = rounded(part + small)


FORMATS: dict[tuple[float, float], str] = {
    (1, 1): "yuv444p",
    (2, 1): "yuv422p",
    (2, 2): "yuv420p",
}  # pixels per chroma value, across and down


def _ratio(planes: list[np.ndarray]) -> tuple[float, float]:
    (height, width), (h, w) = planes[0].shape, planes[1].shape
    return width / w, height / h


def _stored(planes: list[np.ndarray], colour: Colour, halved: bool) -> CodedFrame:
    (height, width), (h, w) = planes[0].shape, planes[1].shape
    if halved and height % 2 == width % 2 == 0:
        size = width // 2, height // 2
    elif _ratio(planes) in FORMATS:
        size = w, h
    else:
        size = width, height
    return CodedFrame([rounded(planes[0]), *(rounded(_resized(plane, size)) for plane in planes[1:])], colour)


def _resized(plane: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    if plane.shape[::-1] == size:
        return plane
    smaller = plane.shape[1] >= size[0] and plane.shape[0] >= size[1]
    return cv2.resize(plane, size, interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR)
