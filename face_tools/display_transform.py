"""Transforms a decoded frame to what a player shows: rotated, mirrored, with square pixels."""

from __future__ import annotations

import re
from typing import Any

import av
import numpy as np
from av.sidedata.sidedata import SideDataContainer, Type

from .colour import UNKNOWN, Colour
from .film_frame import CodedFrame, RgbFrame
from .opencv import cv2

WIDEST = 8.0  # largest plausible ratio of a pixel's sides
PLANAR = re.compile(r"(yuvj?|yuva)4\d\dp(\d+le)?|gray(\d+le)?")  # formats whose planes are read directly
REPACKED = {  # format -> planar format with the same values in another order
    "nv12": "yuv420p",
    "nv21": "yuv420p",
    "nv16": "yuv422p",
    "nv24": "yuv444p",
    "yuyv422": "yuv422p",
    "uyvy422": "yuv422p",
    "yvyu422": "yuv422p",
    "p010le": "yuv420p10le",
    "p210le": "yuv422p10le",
    "y210le": "yuv422p10le",
}
FULL = 2  # FFmpeg's number of the full range


def shown(frame: av.VideoFrame, pixel_aspect: float, context) -> CodedFrame | RgbFrame:
    """Return the frame as it is displayed, with its own colour values.

    pixel_aspect: width of the stored pixels over their height, 0 = unknown; context: the stream's codec
    context. As in players, the shorter side of a pixel is stretched, so nothing is lost, and the picture is
    rotated afterwards. A stretched side has an even number of pixels, as video encoders need it.
    """
    matrix = _display_matrix(frame)
    if frame.format.is_rgb or frame.format.has_palette:
        pixels = frame.to_ndarray(format="rgb24")
        height, width = pixels.shape[:2]
        return RgbFrame(_transformed(pixels, (height, width), pixel_aspect, matrix))
    colour = _colour(frame, context)
    planar = _planar(frame, colour)
    colour = Colour(
        colour.matrix, colour.primaries, colour.transfer, colour.full, planar.format.components[0].bits
    )
    planes = [_pixels(plane, colour.bits) for plane in planar.planes[:3]]
    if len(planes) < 3:
        neutral = np.full((1, 1), 128 << (colour.bits - 8), planes[0].dtype)
        planes = [planes[0], neutral, neutral]
    height, width = planes[0].shape
    return CodedFrame(
        [_transformed(plane, (height, width), pixel_aspect, matrix) for plane in planes], colour.known(height)
    )


def _colour(frame: av.VideoFrame, context) -> Colour:
    full = frame.format.name.startswith("yuvj") or _number(frame.color_range) == FULL
    return Colour(
        _number(frame.colorspace), _number(context.color_primaries), _number(context.color_trc), full
    )


def _number(tag) -> int:
    return UNKNOWN if tag is None else int(tag)


def _planar(frame: av.VideoFrame, colour: Colour) -> av.VideoFrame:
    """Convert the frame to a format of PLANAR; the values are unchanged where the format allows it."""
    name = frame.format.name
    if PLANAR.fullmatch(name) and all(plane.line_size > 0 for plane in frame.planes):
        return frame
    deep = "yuv444p16le" if frame.format.components[0].bits > 8 else "yuv444p"
    extent = "JPEG" if colour.full else "MPEG"
    return frame.reformat(format=REPACKED.get(name, deep), src_color_range=extent, dst_color_range=extent)


def _pixels(plane, bits: int) -> np.ndarray:
    """Return an (H, W) view of a plane."""
    kind = np.dtype(np.uint8 if bits == 8 else np.uint16)
    return np.frombuffer(plane, kind).reshape(-1, plane.line_size // kind.itemsize)[
        : plane.height, : plane.width
    ]


def _transformed(
    plane: np.ndarray, size: tuple[int, int], pixel_aspect: float, matrix: np.ndarray
) -> np.ndarray:
    """Stretch and rotate a plane of a picture of `size` (height, width)."""
    (height, width), (h, w) = size, plane.shape[:2]
    wide, high = width, height
    if 1 < pixel_aspect <= WIDEST:
        wide = _even(width * pixel_aspect)
    elif 1 / WIDEST <= pixel_aspect < 1:
        high = _even(height / pixel_aspect)
    if (wide, high) != (width, height):
        plane = cv2.resize(
            plane,
            (max(round(w * wide / width), 1), max(round(h * high / height), 1)),
            interpolation=cv2.INTER_CUBIC,
        )
    return np.ascontiguousarray(_oriented(plane, matrix))


def _even(length: float) -> int:
    return 2 * max(1, round(length / 2))


def _oriented(picture: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Rotate the picture by multiples of 90 degrees, or mirror it.

    The (2, 2) matrix maps (x, y) of a stored pixel to its displayed position.
    """
    if abs(matrix[0, 1]) > abs(matrix[0, 0]):
        picture, matrix = picture.swapaxes(0, 1), matrix[::-1]
    x, y = np.sign(np.diag(matrix)).astype(int)
    return picture[:: y or 1, :: x or 1]


def _display_matrix(frame: av.VideoFrame) -> np.ndarray:
    """(2, 2) part of the 3x3 display matrix, of 32-bit integers, that phones and editors write.

    frame.side_data is not used: it would keep frame and data in a reference cycle, so hundreds of frames
    would stay in memory until garbage collection.
    """
    container: Any = SideDataContainer  # its stub lacks the argument
    data = container(frame).get(Type.DISPLAYMATRIX)
    return (
        np.eye(2)
        if data is None
        else np.frombuffer(bytes(data), np.int32).reshape(3, 3)[:2, :2].astype(float)
    )
