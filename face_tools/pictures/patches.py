"""The pictures for the official drive encoders: both eyes with
their brows, the mouth, and the PD-FGC face crop.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..geometry import similarity_matrix, transform
from ..opencv import cv2
from ..track import FaceTrack
from ..track_errors import FrameSizeError, NoFaceError
from ..trackers.schemes import Scheme, scheme_of

# Positions of Scheme.parts as fractions of the picture, and of Scheme.motion as
# fractions of the 224 px crop (official constants).
PARTS_TEMPLATE = np.array([
    (0.50951539, 0.40128625), (0.29259476, 0.40203411), (0.72196212, 0.40857479),
    (0.63420714, 0.71678643), (0.38437035, 0.71723224),
])  # fmt: skip
MOTION_TEMPLATE = np.array(
    [(0.3843, 0.27), (0.62, 0.2668), (0.503, 0.4185), (0.406, 0.5273), (0.5977, 0.525)]
)
PATCH, WINDOW, BLUR = 224, 256, (5, 5)
TAPS = 4  # pixels beside a point that bicubic interpolation reads, plus one for rounding
SMALLEST = 1.0  # smallest extent of a face, pixels
MARGIN = 1.2  # side of a patch divided by the longer side of its landmarks
REGIONS = ("left_eye", "right_eye", "mouth")  # official order
MOTION_CROP = "motion_crop"


def face_matrix(landmarks: np.ndarray, scheme: Scheme, size: tuple[int, int]) -> np.ndarray:
    """(2, 3) similarity that moves a face with (P, 2+) landmarks upright
    to its position in a (width, height) picture.
    """
    return similarity_matrix(landmarks[list(scheme.parts), :2], PARTS_TEMPLATE * size)


def motion_matrix(landmarks: np.ndarray, scheme: Scheme) -> np.ndarray:
    """(2, 3) similarity from a frame to the 224 px crop that PD-FGC was trained on."""
    return similarity_matrix(landmarks[list(scheme.motion), :2], MOTION_TEMPLATE * PATCH)


@dataclass(frozen=True)
class PatchPlan:
    """The warps for the patches of a clip: per frame to the upright face and to
    the PD-FGC crop; per region one fixed window.

    frame:   (width, height) of the frames
    face:    (F, 2, 3) frame -> upright face
    motion:  (F, 2, 3) frame -> 224 px crop
    windows: region name -> (2, 3) upright face -> 256 px window, the same in every frame
    """

    frame: tuple[int, int]
    face: np.ndarray
    motion: np.ndarray
    windows: dict[str, np.ndarray]

    def check(self, frame: np.ndarray) -> None:
        """Raise TrackError unless the (H, W, C) picture has the size of the tracked frames."""
        height, width = frame.shape[:2]
        if (width, height) != self.frame:
            raise FrameSizeError(
                f"The track is of frames of {self.frame[0]}x{self.frame[1]}, these are {width}x{height}.",
                (width, height),
                self.frame,
            )

    def part(self, k: int) -> tuple[slice, slice]:
        """Row and column slices of the part of frame k that
        its pictures need: a small part of a large frame.
        """
        (left, top), (right, bottom) = self._parts[k].tolist()
        return slice(top, bottom), slice(left, right)

    def cut(self, frame: np.ndarray, k: int) -> dict[str, np.ndarray]:
        """Crop frame k, (H, W, 3) uint8, to left_eye, right_eye,
        mouth and motion_crop, each (224, 224, 3) uint8.
        """
        self.check(frame)
        return self.cut_part(frame[self.part(k)], k)

    def cut_part(self, part: np.ndarray, k: int) -> dict[str, np.ndarray]:
        """As `cut`, from the frame's `part` alone."""
        return {
            name: (_motion_crop if name == MOTION_CROP else _patch)(part, warp[k])
            for name, warp in self._warps.items()
        }

    @cached_property
    def _from_frame(self) -> dict[str, np.ndarray]:
        """Name -> (F, 2, 3) warps from the frame to a region's window, or to the crop.

        The official code draws the upright face in between.
        """
        return {name: _composed(window, self.face) for name, window in self.windows.items()} | {
            MOTION_CROP: self.motion
        }

    @cached_property
    def _parts(self) -> np.ndarray:
        """(F, 2, 2): first (x, y) that the pictures of a frame need, including pixels
        read by interpolation, and one past the last.

        At least one pixel of the frame; its border is replicated for everything outside.
        """
        seen = [
            _backward(warp, PATCH if name == MOTION_CROP else WINDOW)
            for name, warp in self._from_frame.items()
        ]
        points = np.concatenate(seen, 1)
        low = np.clip(np.floor(points.min(1)).astype(int) - TAPS, 0, np.array(self.frame) - 1)
        high = np.clip(np.ceil(points.max(1)).astype(int) + TAPS, low + 1, self.frame)
        return np.stack([low, high], 1)

    @cached_property
    def _warps(self) -> dict[str, np.ndarray]:
        """Name -> (F, 2, 3) warps as in `_from_frame`, but from the frame's part."""
        start = np.concatenate(
            [np.broadcast_to(np.eye(2), (len(self.face), 2, 2)), self._parts[:, 0, :, None]], -1
        )
        return {name: _composed(warp, start) for name, warp in self._from_frame.items()}


def _patch(part: np.ndarray, warp: np.ndarray) -> np.ndarray:
    """Warp and blur one region to (224, 224, 3)."""
    window = cv2.warpAffine(part, warp, (WINDOW, WINDOW), borderMode=cv2.BORDER_REPLICATE)
    return cv2.resize(cv2.GaussianBlur(window, BLUR, 0), (PATCH, PATCH), interpolation=cv2.INTER_CUBIC)


def _motion_crop(part: np.ndarray, warp: np.ndarray) -> np.ndarray:
    """Warp the face to (224, 224, 3)."""
    return cv2.warpAffine(part, warp, (PATCH, PATCH), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)


def plan_patches(track: FaceTrack) -> PatchPlan:
    """Plan the patches of a track.

    A window is the square around the region's landmarks over all frames, enlarged by 1.2.

    Raises TrackError for a track without landmarks, or with a face of no size.
    """
    scheme = scheme_of(track.scheme)
    # The official code stretches the template with the frame. A square keeps the face's aspect ratio, and is
    # the same for a square frame.
    side = min(track.size)
    spans = np.ptp(track.landmarks[..., :2], axis=1).min(1)
    if spans.min(initial=np.inf) < SMALLEST:
        k = int(spans.argmin())
        raise NoFaceError(
            f"There is no face to cut patches from: its landmarks in frame {k} span {spans[k]:.1f} pixels.", k
        )
    face = np.stack([face_matrix(row, scheme, (side, side)) for row in track.landmarks])
    motion = np.stack([motion_matrix(row, scheme) for row in track.landmarks])
    upright = np.stack([transform(matrix, row[:, :2]) for matrix, row in zip(face, track.landmarks)])
    windows = {region: _window(upright[:, list(getattr(scheme, region))]) for region in REGIONS}
    return PatchPlan(track.size, face, motion, windows)


def _window(points: np.ndarray) -> np.ndarray:
    """(2, 3) warp from the upright face to the 256 px window around (F, N, 2) points."""
    low, high = points.min((0, 1)), points.max((0, 1))
    scale = WINDOW / (MARGIN * (high - low).max())
    shift = WINDOW / 2 - scale * (low + high) / 2
    return np.array([[scale, 0, shift[0]], [0, scale, shift[1]]])


def _composed(after: np.ndarray, before: np.ndarray) -> np.ndarray:
    """Compose two (..., 2, 3) warps into one."""
    linear = after[..., :2]
    return np.concatenate([linear @ before[..., :2], linear @ before[..., 2:] + after[..., 2:]], -1)


def _backward(warps: np.ndarray, side: int) -> np.ndarray:
    """(F, 4, 2) source positions of the corners of a square picture drawn by the (F, 2, 3) warps."""
    corners = np.array([(0, 0), (side, 0), (0, side), (side, side)], np.float64)
    return (corners - warps[:, None, :, 2]) @ np.linalg.inv(warps[..., :2]).swapaxes(1, 2)
