"""Pastes a cropped and changed portrait back into its frame."""

from __future__ import annotations

import numpy as np

from ..opencv import cv2
from .crop import Window

MOMENTS = 96  # approximate pixels per side from which mean and standard deviation of a colour are computed
BAND = 32  # rows that are blended at a time, so that they stay in the processor's cache


def feathered_square(window: Window, feather: float) -> np.ndarray:
    """(height, width) float32 mask of a window: 1 inside, 0 at the square's border.

    feather: width of the smooth edge, as a fraction of the square's side
    """
    rows, columns = (_ramp(place, feather) for place in window.places)
    return np.minimum.outer(rows, columns).astype(np.float32)


def _ramp(place: np.ndarray, feather: float) -> np.ndarray:
    edge = np.clip(np.minimum(place, 1 - place) / max(feather, 1e-6), 0, 1)
    return edge * edge * (3 - 2 * edge)


def window_mask(window: Window, feather: float, mask: np.ndarray | None) -> np.ndarray:
    """(height, width) float32 weight of the pasted picture: the feathered square, multiplied by the mask.

    mask: (h, w) 0..1 drawn over the crop; None = 1 everywhere
    """
    square = feathered_square(window, feather)
    return square if mask is None else square * np.clip(window.shrink(mask), 0, 1)


def paste_back(
    window: np.ndarray, picture: np.ndarray, crop: Window, weight: np.ndarray, match: float = 0.0
) -> None:
    """Blend the (size, size, 3) crop `picture` into its window of a frame, (h, w, 3) float32 0..1, in place.

    weight: (h, w); where it is 0 the window stays bit-identical
    match:  0..1, how far mean and standard deviation of each colour are shifted towards the window's
    Raises TrackError if the picture's size is not the crop's.
    """
    pasted = crop.restore(picture)
    gain, offset = _match(pasted, window, weight, match) if match else (None, None)
    for start in range(0, len(window), BAND):
        band = slice(start, start + BAND)
        _blend(window[band], pasted[band], weight[band], gain, offset)


def _blend(
    window: np.ndarray,
    pasted: np.ndarray,
    weight: np.ndarray,
    gain: np.ndarray | None,
    offset: np.ndarray | None,
) -> None:
    """Blend rows of a picture into rows of the window, in place. `pasted` is overwritten."""
    if gain is not None:
        pasted *= gain
        pasted += offset
        np.clip(pasted, 0, 1, out=pasted)
    pasted -= window
    pasted *= cv2.merge((weight, weight, weight))
    window += pasted


def _match(
    picture: np.ndarray, target: np.ndarray, weight: np.ndarray, match: float
) -> tuple[np.ndarray, np.ndarray]:
    """Gain and offset (width, 3), equal in every pixel, that shift the
    colours of `picture` towards those of `target`.

    They match the weighted mean and standard deviation of each colour.
    """
    sample = slice(None, None, max(1, len(weight) // MOMENTS))
    share = weight[sample, sample, None]
    total = max(float(share.sum()), 1e-6)

    def moments(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        values = values[sample, sample]
        mean = (values * share).sum((0, 1)) / total
        return mean, np.sqrt(((values - mean) ** 2 * share).sum((0, 1)) / total)

    (mean, spread), (wanted_mean, wanted_spread) = moments(picture), moments(target)
    gain = 1 + match * (wanted_spread / np.maximum(spread, 1e-4) - 1)
    offset = mean + match * (wanted_mean - mean) - gain * mean
    gain, offset = (np.tile(one.astype(np.float32), (weight.shape[1], 1)) for one in (gain, offset))
    return gain, offset
