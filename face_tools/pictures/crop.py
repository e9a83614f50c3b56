"""The square portrait crop that is fixed over a clip, and its exact inverse."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from ..opencv import cv2
from ..track import FaceTrack
from ..track_errors import FrameSizeError, NoFaceError
from ..trackers.head_pose import move_translation
from ..trackers.schemes import scheme_of
from .resampling import Banded, along_both, least_squares, resized


@dataclass(frozen=True)
class CropRule:
    """Rule of the crop: side of the square = factor * larger mean side of the face box.

    Its centre is above the face's centre by `lift`.

    lift_of: unit of the lift: "side" of the square, or height of the "face"
    """

    factor: float
    lift: float
    lift_of: str = "side"


# Official implementation of 2024-11, of 2024-12 to 2025-05, and since 2025-06 (now used for every version).
_NOVEMBER, _DECEMBER, _JUNE = CropRule(2.2, 0.2, "face"), CropRule(2.3, 0.115), CropRule(3.0, 0.115)
CROP_RULES = {
    "v1": _NOVEMBER,
    **dict.fromkeys(("v2", "v3", "v4"), _DECEMBER),
    **dict.fromkeys(("v5", "v5b", "v5c"), _JUNE),
}

CLIP_ROUNDS = 4
SMALLEST = 8  # smallest side of a crop, pixels of the frame


@dataclass(frozen=True)
class Clip:
    """The part of a video that was read: `frames` frames at `fps` frames per second, from `start` seconds."""

    fps: float
    start: float
    frames: int


class Window:
    """The pixels of one frame that a crop shows: (height, width) from (x, y), resized to (size, size)."""

    x: int
    y: int
    width: int
    height: int
    size: int
    frame: tuple[int, int]

    def check(self, frame: np.ndarray) -> None:
        """Raise TrackError unless the (H, W, C) picture has the size that the crop was made for."""
        size = frame.shape[1], frame.shape[0]
        if size != self.frame:
            made = f"{self.frame[0]}x{self.frame[1]}"
            raise FrameSizeError(
                f"The crop was made for frames of {made}, these are {size[0]}x{size[1]}. Use the frames that were cropped.",
                size,
                self.frame,
            )

    @property
    def part(self) -> tuple[slice, slice]:
        """Row and column slices of the window in the frame."""
        return slice(self.y, self.y + self.height), slice(self.x, self.x + self.width)

    def window(self, frame: np.ndarray) -> np.ndarray:
        """Return the window's pixels (height, width, C), a view of the (H, W, C) frame."""
        self.check(frame)
        return frame[self.part]

    def cut(self, frame: np.ndarray) -> np.ndarray:
        """Crop an (H, W, C) uint8 or float32 frame to (size, size,
        C); bicubic, as in the official implementation.

        A float frame is clipped to 0..1.
        """
        return self.shown(self.window(frame))

    def shown(self, window: np.ndarray) -> np.ndarray:
        """Resize a window as `cut` does."""
        picture = self._resample(window)
        return picture if picture.dtype == np.uint8 else np.clip(picture, 0, 1)

    def restore(self, picture: np.ndarray) -> np.ndarray:
        """Invert `cut`: a (size, size, C) float crop 0..1 -> (height,
        width, C) float32 0..1 for the frame's window.

        If cropping magnified, a least-squares inverse is used: it restores an untouched crop exactly, and an
        edited one as well as the frame's resolution allows. Plain resizing would soften the parts that an
        edit (a painted mask, inpainting) left unchanged: skimage's astronaut by up to 12 grey levels at the
        99th percentile, 55 at most.
        """
        if picture.shape[:2] != (self.size, self.size):
            got = f"{picture.shape[1]}x{picture.shape[0]}"
            raise FrameSizeError(
                f"The crop was made at {self.size}x{self.size} px, the edited picture is {got} px. "
                "Keep its size between Crop Portrait and Paste Portrait Back.",
                (picture.shape[1], picture.shape[0]),
                (self.size, self.size),
            )
        picture = np.asarray(picture, np.float32)
        if max(self.width, self.height) > self.size:
            window = self._enlarge(picture)
            return np.clip(window, 0, 1, out=window)
        rows, columns = self._inverse
        window = along_both(rows, columns, picture)
        # Bicubic resampling overshoots at edges, and the crop was clipped there. Where our resampled window
        # also leaves 0..1, the clipped value carries no information. Without this, an untouched white edge of
        # the talking head is wrong by 4 grey levels.
        white, black = picture >= 1, picture <= 0
        for _ in range(CLIP_ROUNDS if white.any() or black.any() else 0):
            again = self._resample(window)
            beyond = (white & (again > 1)) | (black & (again < 0))
            if not beyond.any():
                break
            window = along_both(rows, columns, np.where(beyond, again, picture))
        return np.clip(window, 0, 1, out=window)

    @property
    def places(self) -> tuple[np.ndarray, np.ndarray]:
        """(height,) and (width,): positions, as 0..1 of the square's
        side, of the window's rows and columns of pixels.
        """
        raise NotImplementedError

    def shrink(self, mask: np.ndarray) -> np.ndarray:
        """Resize a mask (h, w) drawn over the crop to (height, width) float32."""
        raise NotImplementedError

    def _resample(self, window: np.ndarray) -> np.ndarray:
        """Resize a window to (size, size, C); bicubic, so a float picture may leave 0..1."""
        raise NotImplementedError

    def _enlarge(self, picture: np.ndarray) -> np.ndarray:
        """Resize a crop that was made by shrinking to (height, width, C)."""
        raise NotImplementedError

    @property
    def _inverse(self) -> tuple[Banded, Banded]:
        """Least-squares inverse of `_resample` along rows and along columns, for crops that magnify."""
        raise NotImplementedError


@dataclass(frozen=True)
class Crop(Window):
    """A square of `side` pixels at (x, y) in every frame of (width, height), resized to `size` pixels.

    clip: the part of the video that was cropped; None for a crop of pictures
    """

    x: int
    y: int
    side: int
    size: int
    frame: tuple[int, int]
    clip: Clip | None = None

    moves = False

    def at(self, size: int) -> Crop:
        """Return the same window resized to another size."""
        return replace(self, size=size)

    def of(self, k: int) -> Crop:
        """Return the window of frame k."""
        return self

    @property
    def width(self) -> int:
        return self.side

    @property
    def height(self) -> int:
        return self.side

    @property
    def scale(self) -> float:
        """Pixels of the crop per pixel of the frame."""
        return self.size / self.side

    def points(self, landmarks: np.ndarray) -> np.ndarray:
        """Convert (..., D) landmarks from pixels of the frame to pixels
        of the crop; a third coordinate is only scaled.
        """
        offset = np.zeros(landmarks.shape[-1], np.float32)
        offset[:2] = self.x, self.y
        return ((landmarks - offset) * self.scale).astype(np.float32)

    def squares(self, count: int) -> np.ndarray:
        """(count, 3) float32: x, y and side of the square in every frame."""
        return np.tile(np.array([self.x, self.y, self.side], np.float32), (count, 1))

    def track(self, track: FaceTrack) -> FaceTrack:
        """Return the track in the crop's coordinates: landmarks, box
        and translation change, everything else is kept.
        """
        return cropped(track, self.squares(len(track)), self.size, self.frame)

    @property
    def places(self) -> tuple[np.ndarray, np.ndarray]:
        place = (np.arange(self.side) + 0.5) / self.side
        return place, place

    def shrink(self, mask: np.ndarray) -> np.ndarray:
        return cv2.resize(mask.astype(np.float32), (self.side, self.side), interpolation=cv2.INTER_AREA)

    def _resample(self, window: np.ndarray) -> np.ndarray:
        return cv2.resize(window, (self.size, self.size), interpolation=cv2.INTER_CUBIC)

    def _enlarge(self, picture: np.ndarray) -> np.ndarray:
        return cv2.resize(picture, (self.side, self.side), interpolation=cv2.INTER_CUBIC)

    @cached_property
    def _inverse(self) -> tuple[Banded, Banded]:
        inverse = least_squares(resized(self.side, self.size))
        return inverse, inverse


def cropped(track: FaceTrack, squares: np.ndarray, size: int, frame: tuple[int, int]) -> FaceTrack:
    """Return the track in the coordinates of the squares (F, 3) of its frames, each resized to `size` pixels.

    The track stores the squares.
    """
    if track.size != frame:
        raise FrameSizeError(
            f"The crop was made for frames of {frame}, the track has {track.size}. Use the track of the cropped frames.",
            track.size,
            frame,
        )
    corner, side = squares[:, :2], squares[:, 2].astype(np.float64)
    scale, centre = size / side, corner.T + side / 2

    def points(rows: np.ndarray) -> np.ndarray:
        offset = np.zeros((len(rows), 1, rows.shape[-1]), np.float32)
        offset[:, 0, :2] = corner
        return (rows - offset) * scale.astype(np.float32)[:, None, None]

    return track.replace(
        size=(size, size),
        landmarks=points(track.landmarks),
        box=points(track.box.reshape(-1, 2, 2)).reshape(-1, 4),
        translation=move_translation(track.translation, scale, centre, track.size, (size, size)),
        crop=squares,
        whole=frame,
    )


def portrait_crop(track: FaceTrack, rule: CropRule, size: int = 512) -> Crop:
    """Return one square for the whole clip that contains the face with
    the official margin and lies inside the frame.

    Uses the box of the scheme's face points over all frames; side = min(factor * larger mean side, shorter
    frame side - 1), rounded down. Raises TrackError if the face is too small.
    """
    width, height = track.size
    low, high = face_box(track)
    mean = (high - low).mean(0)
    side = min(rule.factor * mean.max(), min(width, height) - 1)
    centre = (low.min(0) + high.max(0)) / 2
    centre[1] -= rule.lift * (side if rule.lift_of == "side" else mean[1])
    require_face(side, mean, track.size)
    corner = np.clip(centre - side / 2, 0, [width - side, height - side])
    x, y = np.floor(corner).astype(int)
    return Crop(int(x), int(y), int(side), size, track.size)


def face_box(track: FaceTrack) -> tuple[np.ndarray, np.ndarray]:
    """Lowest (F, 2) and highest (F, 2) x, y of the scheme's face points."""
    face = track.landmarks[:, list(scheme_of(track.scheme).face), :2].astype(np.float64)
    return face.min(1), face.max(1)


def require_face(side: float, face: np.ndarray, frame: tuple[int, int]) -> None:
    """Raise TrackError if the square around a `face` (width, height) is too small to crop."""
    if side < SMALLEST:
        span, whole = f"{face[0]:.1f}x{face[1]:.1f}", f"{frame[0]}x{frame[1]}"
        raise NoFaceError(f"There is no face to crop: its landmarks span {span} pixels in frames of {whole}.")
