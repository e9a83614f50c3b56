"""Colour coding of video by the numbers of ITU-T H.273, and exact conversion to RGB and back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from .opencv import cv2

WEIGHTS = {  # matrix -> weights of red and blue in the luma
    1: (0.2126, 0.0722),  # BT.709
    4: (0.30, 0.11),  # FCC
    5: (0.299, 0.114),  # BT.601, 625 lines
    6: (0.299, 0.114),  # BT.601, 525 lines
    7: (0.212, 0.087),  # SMPTE 240M
    9: (0.2627, 0.0593),  # BT.2020
    10: (0.2627, 0.0593),
}
BT709, BT601, UNKNOWN = 1, 6, 2
HD = 720  # frame height from which players assume BT.709 if a file states no matrix
HDR = {16: "PQ", 18: "HLG"}  # transfer function -> its name
ROWS = 32  # rows converted at a time, so that they stay in the processor's cache


@dataclass(frozen=True)
class Colour:
    """Colour coding of a stream. full: 8-bit luma ranges over 0..255 instead of 16..235."""

    matrix: int = BT709
    primaries: int = BT709
    transfer: int = BT709
    full: bool = False
    bits: int = 8

    @property
    def hdr(self) -> str | None:
        """Name of the HDR transfer function; None for SDR."""
        return HDR.get(self.transfer)

    def known(self, height: int) -> Colour:
        """Return the coding with a known matrix: if the file states
        none, the one that players assume for this height.
        """
        if self.matrix in WEIGHTS:
            return self
        return replace(self, matrix=BT709 if height >= HD else BT601)

    def tags(self) -> dict[str, str]:
        """Return the colour options for an FFmpeg encoder."""
        return {
            "colorspace": str(self.matrix),
            "color_primaries": str(self.primaries),
            "color_trc": str(self.transfer),
            "color_range": "2" if self.full else "1",
        }

    def encoding(self) -> np.ndarray:
        """(3, 4) matrix from (R', G', B', 1), 0..1, to stored Y', Cb, Cr."""
        red, blue = WEIGHTS[self.matrix]
        luma = np.array([red, 1 - red - blue, blue])
        to_blue, to_red = (
            (np.array([0, 0, 1]) - luma) / (2 - 2 * blue),
            (np.array([1, 0, 0]) - luma) / (2 - 2 * red),
        )
        unit = 1 << (self.bits - 8)
        black, span, chroma = (
            (0, 256 * unit - 1, 256 * unit - 1) if self.full else (16 * unit, 219 * unit, 224 * unit)
        )
        scaled = np.stack([span * luma, chroma * to_blue, chroma * to_red])
        return np.hstack([scaled, [[black], [128 * unit], [128 * unit]]])

    def decoding(self) -> np.ndarray:
        """(3, 4) matrix from stored (Y', Cb, Cr, 1) to R', G', B', 0..1."""
        there = self.encoding()
        back = np.linalg.inv(there[:, :3])
        return np.hstack([back, -back @ there[:, 3:]])


SDR = Colour()


def to_rgb(
    planes: list[np.ndarray], colour: Colour, tone: Callable[[np.ndarray], np.ndarray] | None = None
) -> np.ndarray:
    """Convert a luma and two chroma planes to (H, W, 3) uint8 R'G'B', rounded to the nearest level.

    tone: maps HDR (rows, W, 3) float32 R'G'B' 0..1 to SDR; None = no tone mapping
    """
    height, width = planes[0].shape
    chroma = [
        cv2.resize(plane.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
        for plane in planes[1:]
    ]
    pixels = np.empty((height, width, 3), np.uint8)
    matrix = ((1 if tone else 255) * colour.decoding()).astype(np.float32)
    for top in range(0, height, ROWS):
        rows = slice(top, top + ROWS)
        signal = cv2.transform(
            cv2.merge([planes[0][rows].astype(np.float32), chroma[0][rows], chroma[1][rows]]), matrix
        )
        pixels[rows] = rounded(255 * tone(signal) if tone else signal)
    return pixels


def to_planes(pixels: np.ndarray, colour: Colour = SDR) -> list[np.ndarray]:
    """Convert (H, W, 3) uint8 R'G'B' to three (H, W) float32 planes in stored units."""
    matrix = colour.encoding()
    matrix[:, :3] /= 255
    return list(cv2.split(cv2.transform(pixels.astype(np.float32), matrix.astype(np.float32))))


def rounded(values: np.ndarray) -> np.ndarray:
    """Round floats to the nearest uint8, clipped to 0..255."""
    return cv2.add(values, 0, dtype=cv2.CV_8U)
