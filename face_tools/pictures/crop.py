"""The clip-constant portrait crop, and the exact way back."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import cv2
import numpy as np

from ..track import FaceTrack, TrackError
from ..trackers.head_pose import move_translation
from ..trackers.schemes import scheme_of


@dataclass(frozen=True)
class CropRule:
    """Side of the square = factor * larger mean side of the face box; its centre lies higher by lift of side or face."""

    factor: float
    lift: float
    lift_of: str = "side"


# Published code of 2024-11, 2024-12 to 2025-05, and since 2025-06 (which today's code uses for every generation).
_NOVEMBER, _DECEMBER, _JUNE = CropRule(2.2, 0.2, "face"), CropRule(2.3, 0.115), CropRule(3.0, 0.115)
CROP_RULES = {"v1": _NOVEMBER, "v2": _DECEMBER, "v3": _DECEMBER, "v4": _DECEMBER, "v5": _JUNE, "v5b": _JUNE, "v5c": _JUNE}


CLIP_ROUNDS = 4
SMALLEST = 8  # pixels of the frame that a crop's side has at least
BLOCK = 32  # rows of a banded matrix that are multiplied together


@dataclass(frozen=True)
class Clip:
    """A part of a video as it was read: `frames` frames, `fps` of them a second, from `start` seconds."""

    fps: float
    start: float
    frames: int


@dataclass(frozen=True)
class Crop:
    """A square window of `side` pixels at (x, y) of frames of (width, height), shown at `size` pixels.

    clip: the part of a video that it was made for, where it was made for one
    """

    x: int
    y: int
    side: int
    size: int
    frame: tuple[int, int]
    clip: Clip | None = None

    def at(self, size: int) -> "Crop":
        """The same window shown at another size."""
        return replace(self, size=size)

    @property
    def scale(self) -> float:
        """Pixels of the crop per pixel of the frame."""
        return self.size / self.side

    def check(self, frame: np.ndarray) -> None:
        """Raise TrackError unless the (H, W, C) picture has the size that the crop was made for."""
        size = frame.shape[1], frame.shape[0]
        if size != self.frame:
            raise TrackError(f"The crop was made for frames of {self.frame[0]}x{self.frame[1]}, these are {size[0]}x{size[1]}.")

    def window(self, frame: np.ndarray) -> np.ndarray:
        """The (side, side, C) pixels of an (H, W, C) frame, of which it is a view."""
        self.check(frame)
        return frame[self.y : self.y + self.side, self.x : self.x + self.side]

    def cut(self, frame: np.ndarray) -> np.ndarray:
        """(size, size, C) of an (H, W, C) uint8 or float32 frame; bicubic, as published. A float frame stays within 0..1."""
        return self.shown(self.window(frame))

    def shown(self, window: np.ndarray) -> np.ndarray:
        """What `cut` gives, from the window."""
        picture = cv2.resize(window, (self.size, self.size), interpolation=cv2.INTER_CUBIC)
        return picture if picture.dtype == np.uint8 else np.clip(picture, 0, 1)

    def points(self, landmarks: np.ndarray) -> np.ndarray:
        """(..., D) landmarks of the frame in the pixels of the crop; a third axis is only scaled."""
        offset = np.zeros(landmarks.shape[-1], np.float32)
        offset[:2] = self.x, self.y
        return ((landmarks - offset) * self.scale).astype(np.float32)

    def track(self, track: FaceTrack) -> FaceTrack:
        """The track as seen in the crop: landmarks, box and translation move, rotation and coefficients stay."""
        if track.size != self.frame:
            raise TrackError(f"The crop was made for frames of {self.frame}, the track has {track.size}.")
        size = (self.size, self.size)
        centre = (self.x + self.side / 2, self.y + self.side / 2)
        return track.replace(
            size=size,
            landmarks=self.points(track.landmarks),
            box=self.points(track.box.reshape(-1, 2, 2)).reshape(-1, 4),
            translation=move_translation(track.translation, self.scale, centre, track.size, size),
        )

    @cached_property
    def _there(self) -> Banded:
        """(size, side): what cutting does along one axis."""
        return Banded(_resampling(self.side, self.size))

    @cached_property
    def _back(self) -> Banded:
        """(side, size): the way back along one axis, where cutting magnified.

        It did so by a matrix with independent columns, whose pseudo-inverse gives an untouched crop back exactly and projects an
        edited one onto what the frame can show.
        """
        return Banded(np.linalg.pinv(_resampling(self.side, self.size)).astype(np.float32))

    def restore(self, picture: np.ndarray) -> np.ndarray:
        """(side, side, C) float32 0..1 of a (size, size, C) float crop 0..1: what lies in the window of the frame."""
        if picture.shape[:2] != (self.size, self.size):
            raise TrackError(f"The crop was made at {self.size}x{self.size}, this one is {picture.shape[1]}x{picture.shape[0]}.")
        picture = np.asarray(picture, np.float32)
        if self.side > self.size:  # cutting has shrunk it
            window = cv2.resize(picture, (self.side, self.side), interpolation=cv2.INTER_CUBIC)
            return np.clip(window, 0, 1, out=window)
        window = self._back.both_axes(picture)
        # Bicubic overshoots at edges and a picture clips that: where ours would leave 0..1 too, the clipped value says nothing.
        white, black = picture >= 1, picture <= 0
        for _ in range(CLIP_ROUNDS if white.any() or black.any() else 0):
            again = self._there.both_axes(window)
            beyond = (white & (again > 1)) | (black & (again < 0))
            if not beyond.any():
                break
            window = self._back.both_axes(np.where(beyond, again, picture))
        return np.clip(window, 0, 1, out=window)


def _resampling(source: int, target: int) -> np.ndarray:
    """(target, source) matrix of OpenCV's bicubic resize along one axis."""
    return cv2.resize(np.eye(source, dtype=np.float32), (source, target), interpolation=cv2.INTER_CUBIC)


class Banded:
    """An (M, N) float32 matrix that is small far from its diagonal, for pictures: blocks of rows, each with the columns that it needs.

    The inverse of an interpolation falls off by a factor of about four a pixel; what is below the resolution of float32 is left out.
    """

    def __init__(self, matrix: np.ndarray):
        rows = len(matrix)
        self.blocks: list[tuple[slice, slice, np.ndarray]] = []
        for start in range(0, rows, BLOCK):
            block = matrix[start : start + BLOCK]
            needed = np.flatnonzero((np.abs(block) > np.finfo(np.float32).eps * np.abs(matrix).max()).any(0))
            columns = slice(int(needed[0]), int(needed[-1]) + 1)
            self.blocks.append((slice(start, start + len(block)), columns, np.ascontiguousarray(block[:, columns])))
        self.rows = rows

    def both_axes(self, picture: np.ndarray) -> np.ndarray:
        """(M, M, C) of an (N, N, C) picture, along its rows and its columns."""
        return cv2.transpose(self._along(cv2.transpose(self._along(picture))))

    def _along(self, picture: np.ndarray) -> np.ndarray:
        result = np.empty((self.rows, *picture.shape[1:]), np.float32)
        for to, columns, block in self.blocks:
            np.matmul(block, picture[columns].reshape(block.shape[1], -1), out=result[to].reshape(len(block), -1))
        return result


def portrait_crop(track: FaceTrack, rule: CropRule, size: int = 512) -> Crop:
    """One square for the whole clip that holds the face with the published margin, inside the frame.

    Box of the scheme's face points over every frame; side = min(factor * larger mean side, shorter frame side - 1), rounded down.
    Raises TrackError where that is nothing.
    """
    width, height = track.size
    face = track.landmarks[:, list(scheme_of(track.scheme).face), :2].astype(np.float64)
    low, high = face.min(1), face.max(1)
    mean = (high - low).mean(0)
    side = min(rule.factor * mean.max(), min(width, height) - 1)
    centre = (low.min(0) + high.max(0)) / 2
    centre[1] -= rule.lift * (side if rule.lift_of == "side" else mean[1])
    if side < SMALLEST:
        raise TrackError(
            f"There is no face to crop: its landmarks span {mean[0]:.1f}x{mean[1]:.1f} pixels in frames of {width}x{height}."
        )
    corner = np.clip(centre - side / 2, 0, [width - side, height - side])
    x, y = np.floor(corner).astype(int)
    return Crop(int(x), int(y), int(side), size, track.size)
