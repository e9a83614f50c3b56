"""A square portrait crop that follows the face: position
and scale change smoothly, with subpixel resolution.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from ..editing.edit import smooth_rows
from ..opencv import cv2
from ..track import FaceTrack
from ..track_errors import TrackError, TrackLengthError
from .crop import Clip, Crop, CropRule, Window, cropped, face_box, require_face
from .resampling import Banded, least_squares, sampled, sampled_across, sampled_down

PLACE_SECONDS, SIZE_SECONDS = 0.3, 0.6  # smoothing widths of the face's position and size, to each side
CUT = 0.75  # movement between two frames, in face sizes, from which it is a cut; the square then jumps too
STEP = 1 / 32  # pixels: OpenCV's own subpixel resolution


@dataclass(frozen=True)
class Square(Window):
    """The square of one frame, from (left, top).

    Its window holds every pixel with its centre inside the square.
    """

    left: float
    top: float
    side: float
    size: int
    frame: tuple[int, int]

    @property
    def x(self) -> int:
        return _first(self.left)

    @property
    def y(self) -> int:
        return _first(self.top)

    @property
    def width(self) -> int:
        return _first(self.left + self.side) - self.x

    @property
    def height(self) -> int:
        return _first(self.top + self.side) - self.y

    @property
    def places(self) -> tuple[np.ndarray, np.ndarray]:
        rows = (np.arange(self.height) + self.y + 0.5 - self.top) / self.side
        columns = (np.arange(self.width) + self.x + 0.5 - self.left) / self.side
        return rows, columns

    def shrink(self, mask: np.ndarray) -> np.ndarray:
        side = max(self.width, self.height)
        small = cv2.resize(mask.astype(np.float32), (side, side), interpolation=cv2.INTER_AREA)
        return self._back(small)

    def _resample(self, window: np.ndarray) -> np.ndarray:
        step, across, down = self._places
        return sampled(window, np.array([[step, 0, across], [0, step, down]]), (self.size, self.size))

    def _enlarge(self, picture: np.ndarray) -> np.ndarray:
        return self._back(picture)

    @property
    def _inverse(self) -> tuple[Banded, Banded]:
        step, across, down = self._places
        rows = _inverse_down(self.height, self.size, step, down)
        return rows, _inverse_across(self.width, self.size, step, across)

    def _back(self, picture: np.ndarray) -> np.ndarray:
        """Resample a picture of the square to the window (height, width, ...)."""
        scale = len(picture) / self.side
        across, down = (scale * (first + 0.5 - start) - 0.5 for first, start in self._starts)
        return sampled(picture, np.array([[scale, 0, across], [0, scale, down]]), (self.width, self.height))

    @property
    def _places(self) -> tuple[float, float, float]:
        """(pixels of the window per pixel of the crop, position
        of the crop's first column, of its first row).
        """
        step = self.side / self.size
        across, down = (start + 0.5 * step - first - 0.5 for first, start in self._starts)
        return step, across, down

    @property
    def _starts(self) -> tuple[tuple[int, float], tuple[int, float]]:
        """((first pixel of the window, start of the square) across, the same down)."""
        return (self.x, self.left), (self.y, self.top)


def _first(place: float) -> int:
    """The first pixel whose centre is at `place` or beyond."""
    return int(np.ceil(place - 0.5))


# A square of constant scale has the same subpixel offsets again.
@lru_cache(maxsize=64)
def _inverse_down(count: int, size: int, step: float, start: float) -> Banded:
    return least_squares(sampled_down(count, size, step, start))


@lru_cache(maxsize=64)
def _inverse_across(count: int, size: int, step: float, start: float) -> Banded:
    return least_squares(sampled_across(count, size, step, start))


@dataclass(frozen=True, eq=False)
class FollowingCrop:
    """A square for each of F frames of (width, height), resized to `size` pixels.

    path: (F, 3) float32 x, y and side of the squares, pixels
    clip: the part of the video that was cropped; None for a crop of pictures
    """

    path: np.ndarray
    size: int
    frame: tuple[int, int]
    clip: Clip | None = None

    moves = True

    def __len__(self) -> int:
        return len(self.path)

    def at(self, size: int) -> FollowingCrop:
        """Return the same squares resized to another size."""
        return replace(self, size=size)

    def of(self, k: int) -> Square:
        """Return the square of frame k."""
        left, top, side = map(float, self.path[k])
        return Square(left, top, side, self.size, self.frame)

    def check(self, frame: np.ndarray) -> None:
        """Raise TrackError unless the (H, W, C) picture has the size that the crop was made for."""
        self.of(0).check(frame)

    def squares(self, count: int) -> np.ndarray:
        """(count, 3) x, y and side of every square. Raises TrackError for another number of frames."""
        if count != len(self):
            raise TrackLengthError("clip", count, "crop that follows the face", len(self))
        return self.path

    def track(self, track: FaceTrack) -> FaceTrack:
        """Return the track in the coordinates of the squares: landmarks, box
        and translation change, everything else is kept.
        """
        return cropped(track, self.squares(len(track)), self.size, self.frame)


def following_crop(track: FaceTrack, rule: CropRule, size: int = 512) -> FollowingCrop:
    """Return a square per frame that contains the face with the official margin and lies inside the frame.

    Position and size of the face are smoothed between cuts,
    without lag. Raises TrackError if there is no face.
    """
    frame = np.array(track.size)
    low, high = face_box(track)
    extent, centre = high - low, (low + high) / 2
    shots = np.split(np.arange(len(track)), cuts(centre, extent))
    place, face = (
        np.concatenate([smooth_rows(rows[shot], seconds * track.fps) for shot in shots])
        for rows, seconds in ((centre, PLACE_SECONDS), (extent, SIZE_SECONDS))
    )
    side = np.minimum(rule.factor * face.max(1), frame.min() - 1)
    smallest = int(side.argmin())
    require_face(side[smallest], face[smallest], track.size)
    place[:, 1] -= rule.lift * (side if rule.lift_of == "side" else face[:, 1])
    side = np.round(side / STEP) * STEP
    corner = np.clip(place - side[:, None] / 2, 0, frame - side[:, None])
    path = np.concatenate([np.round(corner / STEP) * STEP, side[:, None]], 1)
    return FollowingCrop(path.astype(np.float32), size, track.size)


def saved_crop(track: FaceTrack) -> Crop | FollowingCrop:
    """Return the crop of a cropped track, from its squares. Raises TrackError if it has none."""
    if track.crop is None or track.whole is None:
        raise TrackError("This track is of whole frames: it has no squares of a crop.")
    first, size = track.crop[0], track.size[0]
    if (track.crop == first).all() and (first == np.floor(first)).all():
        x, y, side = map(int, first)
        return Crop(x, y, side, size, track.whole)
    return FollowingCrop(track.crop, size, track.whole)


def cuts(centre: np.ndarray, extent: np.ndarray) -> np.ndarray:
    """Frames at which a face with these (F, 2) centres and extents
    moves further than a head can move in one frame.
    """
    size = np.sqrt(extent.prod(1))
    step = np.linalg.norm(np.diff(centre, axis=0), axis=1) / size[1:]
    growth = np.abs(np.diff(np.log(np.maximum(size, 1e-6))))
    return np.flatnonzero(step + growth > CUT) + 1
