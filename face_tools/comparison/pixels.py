"""Measures of pictures: PSNR, SSIM, change and flicker between neighbouring frames, and change at the
borders of context windows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ..opencv import cv2
from ..track_errors import FrameSizeError

WINDOW = 7  # side of the SSIM window, the default of scikit-image
K1, K2 = 0.01, 0.03  # constants of Wang et al. 2004


def psnr(picture: np.ndarray, truth: np.ndarray) -> float:
    """Peak signal-to-noise ratio of two uint8 pictures of one size, dB; infinite if they are equal.

    Same as scikit-image's.
    """
    _require_one_size(picture, truth)
    error = np.mean((picture.astype(np.float64) - truth) ** 2)
    return float(10 * np.log10(255.0**2 / error)) if error else float("inf")


def ssim(picture: np.ndarray, truth: np.ndarray) -> float:
    """Structural similarity (Wang et al.

    2004) of two (H, W, 3) uint8 pictures, -1..1, the mean over the channels.

    Computed as by scikit-image's defaults: uniform 7 x 7 window, sample covariance, data range 255, without a
    border of 3 pixels. Raises TrackError for pictures of two sizes, or with fewer than 7 pixels on a side.
    """
    _require_one_size(picture, truth)
    if min(picture.shape[:2]) < WINDOW:
        height, width = picture.shape[:2]
        raise FrameSizeError(
            f"SSIM needs {WINDOW} pixels per side, got {width}x{height}: use larger pictures.",
            (width, height),
        )
    x, y = picture.astype(np.float64), truth.astype(np.float64)
    mean_x, mean_y = _local_mean(x), _local_mean(y)
    sample = WINDOW**2 / (WINDOW**2 - 1)
    variance_x, variance_y = (sample * (_local_mean(v * v) - m * m) for v, m in ((x, mean_x), (y, mean_y)))
    covariance = sample * (_local_mean(x * y) - mean_x * mean_y)
    c1, c2 = (K1 * 255) ** 2, (K2 * 255) ** 2
    above = (2 * mean_x * mean_y + c1) * (2 * covariance + c2)
    below = (mean_x**2 + mean_y**2 + c1) * (variance_x + variance_y + c2)
    edge = WINDOW // 2
    return float((above / below)[edge:-edge, edge:-edge].mean())


@dataclass(frozen=True)
class Motion:
    """Changes between the frames of a clip of F frames, grey levels 0..255.

    change:  (F - 1,) mean absolute difference of neighbours
    flicker: (F - 2,) mean absolute second difference: 0 for a constant picture and for a constant change
    mirrored: (F - 1,) relative reduction of the change if the later frame is mirrored; negative if it is not
      mirrored
    """

    change: np.ndarray
    flicker: np.ndarray
    mirrored: np.ndarray

    @property
    def mean_flicker(self) -> float:
        return float(self.flicker.mean()) if len(self.flicker) else 0.0


def motion(frames: Iterable[np.ndarray]) -> Motion:
    """Measure the motion of (H, W, 3) uint8 frames of one size; keeps three of them in memory."""
    change, flicker, mirrored = [], [], []
    before = step = None
    for frame in frames:
        frame = frame.astype(np.float32)
        if before is not None:
            _require_one_size(frame, before)
            step, last = frame - before, step
            change.append(_mean_size(step))
            mirrored.append((change[-1] - _mean_size(frame[:, ::-1] - before)) / max(change[-1], 1e-6))
            if last is not None:
                flicker.append(_mean_size(step - last))
        before = frame
    return Motion(*(np.array(values, np.float64) for values in (change, flicker, mirrored)))


def borders(windows: Iterable[Sequence[int]], frames: int) -> list[int]:
    """Steps k (from frame k to k + 1) at which a context window begins or ends."""
    last = frames - 1
    begins = {window[0] - 1 for window in windows if window[0]}
    ends = {window[-1] for window in windows if window[-1] < last}
    return sorted(begins | ends)


def seam_ratio(change: np.ndarray, steps: Sequence[int]) -> float:
    """Ratio of the mean change (F - 1,) at these steps to that at all others: 1 = no seam.

    nan if either set is empty.
    """
    at = np.isin(np.arange(len(change)), list(steps))
    if at.all() or not at.any():
        return float("nan")
    return float(change[at].mean() / max(change[~at].mean(), 1e-9))


def pairs(a: Iterable[np.ndarray], b: Iterable[np.ndarray]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield pairs of frames of both clips; those of `b` are resized to those of `a`."""
    for x, y in zip(a, b):
        height, width = x.shape[:2]
        yield x, y if x.shape == y.shape else cv2.resize(y, (width, height), interpolation=cv2.INTER_AREA)


def _mean_size(difference: np.ndarray) -> float:
    return float(np.abs(difference).mean())


def _local_mean(values: np.ndarray) -> np.ndarray:
    return cv2.blur(values, (WINDOW, WINDOW), borderType=cv2.BORDER_REFLECT)


def _require_one_size(a: np.ndarray, b: np.ndarray) -> None:
    if a.shape != b.shape:
        raise FrameSizeError(
            f"Pictures of one size are needed, got {a.shape[1]}x{a.shape[0]} and {b.shape[1]}x{b.shape[0]}.",
            (b.shape[1], b.shape[0]),
            (a.shape[1], a.shape[0]),
        )
