"""The pictures that the published drive encoders look at: both eyes with their brows, the mouth, and the PD-FGC face crop."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from ..geometry import similarity_matrix, transform
from ..track import FaceTrack, TrackError
from ..trackers.schemes import Scheme, scheme_of

# Places of Scheme.parts as fractions of the picture, and of Scheme.motion as fractions of the 224 crop (published constants).
PARTS_TEMPLATE = np.array([
    (0.50951539, 0.40128625), (0.29259476, 0.40203411), (0.72196212, 0.40857479),
    (0.63420714, 0.71678643), (0.38437035, 0.71723224),
])  # fmt: skip
MOTION_TEMPLATE = np.array([(0.3843, 0.27), (0.62, 0.2668), (0.503, 0.4185), (0.406, 0.5273), (0.5977, 0.525)])
PATCH, WINDOW, BLUR = 224, 256, (5, 5)
TAPS = 4  # pixels beside a point that bicubic interpolation may read, and one for rounding
SMALLEST = 1.0  # pixels that a face spans at least
MARGIN = 1.2  # side of a patch over the longer side of its landmarks
REGIONS = ("left_eye", "right_eye", "mouth")  # published order


def face_matrix(landmarks: np.ndarray, scheme: Scheme, size: tuple[int, int]) -> np.ndarray:
    """(2, 3) similarity that brings a face of (P, 2+) landmarks upright to its place in a (width, height) picture."""
    return similarity_matrix(landmarks[list(scheme.parts), :2], PARTS_TEMPLATE * size)


def motion_matrix(landmarks: np.ndarray, scheme: Scheme) -> np.ndarray:
    """(2, 3) similarity from a frame to the 224 px crop that PD-FGC was trained on."""
    return similarity_matrix(landmarks[list(scheme.motion), :2], MOTION_TEMPLATE * PATCH)


@dataclass(frozen=True)
class PatchPlan:
    """Where the patches of a clip lie: a frame's warps to the upright face and to the PD-FGC crop, a region's one fixed window.

    face:    (F, 2, 3) frame -> upright face of `size`
    motion:  (F, 2, 3) frame -> 224 px crop
    windows: region name -> (2, 3) upright face -> 256 px window, the same in every frame
    frame, size: (width, height) of the frames and of the upright face
    """

    frame: tuple[int, int]
    size: tuple[int, int]
    face: np.ndarray
    motion: np.ndarray
    windows: dict[str, np.ndarray]

    @cached_property
    def seen(self) -> dict[str, tuple[int, int, int, int]]:
        """Region name -> (x, y, width, height) of what its window sees of the upright face."""
        return {name: _seen(window, (WINDOW, WINDOW), self.size) for name, window in self.windows.items()}

    def part(self, k: int) -> tuple[slice, slice]:
        """Rows and columns of frame k that its pictures see: a small part of a large frame."""
        upright = np.concatenate([_corners(*seen) for seen in self.seen.values()])
        points = [_backward(self.face[k], upright), _backward(self.motion[k], _corners(0, 0, PATCH, PATCH))]
        x, y, width, height = _inside(np.concatenate(points), self.frame)
        return slice(y, y + height), slice(x, x + width)

    def cut(self, part: np.ndarray, k: int) -> dict[str, np.ndarray]:
        """The pictures of frame k from its `part`, (h, w, 3) uint8: left_eye, right_eye, mouth and motion_crop, each (224, 224, 3)
        uint8."""
        rows, columns = self.part(k)
        start = np.array([columns.start, rows.start])
        face, motion = (_from(matrix, start) for matrix in (self.face[k], self.motion[k]))
        pictures = {name: self._patch(part, face, name) for name in self.windows}
        pictures["motion_crop"] = cv2.warpAffine(part, motion, (PATCH, PATCH), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        return pictures

    def _patch(self, part: np.ndarray, face: np.ndarray, name: str) -> np.ndarray:
        """A region's window of the upright face, of which only what the window sees is drawn."""
        x, y, *size = self.seen[name]
        upright = cv2.warpAffine(part, face - [[0, 0, x], [0, 0, y]], size, borderMode=cv2.BORDER_REPLICATE)
        cut = cv2.warpAffine(upright, _from(self.windows[name], np.array([x, y])), (WINDOW, WINDOW), borderMode=cv2.BORDER_REPLICATE)
        return cv2.resize(cv2.GaussianBlur(cut, BLUR, 0), (PATCH, PATCH), interpolation=cv2.INTER_CUBIC)


def plan_patches(track: FaceTrack) -> PatchPlan:
    """The patches of a track. A window is the square round the region's landmarks over all frames, 1.2 times as wide.

    Raises TrackError for a track without landmarks, or with a face of no size.
    """
    scheme = scheme_of(track.scheme)
    # Published code stretches the template with the frame; a square keeps the face's shape, and equals it for a square frame.
    side = min(track.size)
    spans = np.ptp(track.landmarks[..., :2], axis=1).min(1)
    if spans.min(initial=np.inf) < SMALLEST:
        k = int(spans.argmin())
        raise TrackError(f"There is no face to cut patches from: its landmarks in frame {k} span {spans[k]:.1f} pixels.")
    face = np.stack([face_matrix(row, scheme, (side, side)) for row in track.landmarks])
    motion = np.stack([motion_matrix(row, scheme) for row in track.landmarks])
    upright = np.stack([transform(matrix, row[:, :2]) for matrix, row in zip(face, track.landmarks)])
    windows = {region: _window(upright[:, list(getattr(scheme, region))]) for region in REGIONS}
    return PatchPlan(track.size, (side, side), face, motion, windows)


def _window(points: np.ndarray) -> np.ndarray:
    """(2, 3) from the upright face to the 256 px window round (F, N, 2) points."""
    low, high = points.min((0, 1)), points.max((0, 1))
    scale = WINDOW / (MARGIN * (high - low).max())
    shift = WINDOW / 2 - scale * (low + high) / 2
    return np.array([[scale, 0, shift[0]], [0, scale, shift[1]]])


def _corners(x: float, y: float, width: float, height: float) -> np.ndarray:
    """(4, 2)."""
    return np.array([(x, y), (x + width, y), (x, y + height), (x + width, y + height)], np.float64)


def _backward(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    """(N, 2) points before a (2, 3) warp."""
    return (points - matrix[:, 2]) @ np.linalg.inv(matrix[:, :2]).T


def _inside(points: np.ndarray, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """(x, y, width, height) round (N, 2) points and what interpolation takes beside them, inside a picture of `size`; at least a pixel
    of it, whose border then stands for all that lies outside."""
    low = np.clip(np.floor(points.min(0)).astype(int) - TAPS, 0, np.array(size) - 1)
    high = np.clip(np.ceil(points.max(0)).astype(int) + TAPS, low + 1, size)
    return tuple(map(int, (*low, *(high - low))))


def _seen(window: np.ndarray, target: tuple[int, int], size: tuple[int, int]) -> tuple[int, int, int, int]:
    """(x, y, width, height) of what a warp to a picture of `target` size sees of one of `size`."""
    return _inside(_backward(window, _corners(0, 0, *target)), size)


def _from(matrix: np.ndarray, start: np.ndarray) -> np.ndarray:
    """The warp of a picture that begins at `start`."""
    return np.column_stack([matrix[:, :2], matrix[:, 2] + matrix[:, :2] @ start])
