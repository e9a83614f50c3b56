"""Put a cropped and changed portrait back into the frame it came from."""

from __future__ import annotations

import cv2
import numpy as np

from .crop import Crop

MOMENTS = 96  # pixels a side, about, that mean and spread of a colour are read from
BAND = 32  # rows that are blended at a time: they stay in the processor's cache


def feathered_square(crop: Crop, feather: float) -> np.ndarray:
    """(side, side) float32 mask of the crop's window: 1 inside, falling smoothly to 0 at its border over `feather` of its side."""
    place = (np.arange(crop.side) + 0.5) / crop.side
    edge = np.minimum(place, 1 - place) / max(feather, 1e-6)
    ramp = np.clip(edge, 0, 1)
    ramp = ramp * ramp * (3 - 2 * ramp)
    return np.minimum.outer(ramp, ramp).astype(np.float32)


def window_mask(crop: Crop, feather: float, mask: np.ndarray | None) -> np.ndarray:
    """(side, side) float32 weight of the pasted picture: the feathered square, times `mask` (h, w) 0..1 drawn over the crop."""
    square = feathered_square(crop, feather)
    if mask is None:
        return square
    drawn = cv2.resize(mask.astype(np.float32), (crop.side, crop.side), interpolation=cv2.INTER_AREA)
    return square * np.clip(drawn, 0, 1)


def paste_back(window: np.ndarray, picture: np.ndarray, crop: Crop, weight: np.ndarray, match: float = 0.0) -> None:
    """Put the (size, size, 3) crop `picture` into its window of a frame, (side, side, 3) float32 0..1, in place, by `weight` (side, side).

    Where the weight is 0 the window is unchanged, bit for bit. match 0..1 pulls mean and spread of each colour of the picture towards
    the window's. Raises TrackError where the picture's size is not the crop's.
    """
    pasted = crop.restore(picture)
    gain, offset = _match(pasted, window, weight, match) if match else (None, None)
    for start in range(0, crop.side, BAND):
        band = slice(start, start + BAND)
        _blend(window[band], pasted[band], weight[band], gain, offset)


def _blend(window: np.ndarray, pasted: np.ndarray, weight: np.ndarray, gain: np.ndarray | None, offset: np.ndarray | None) -> None:
    """Put rows of a picture into those of the window, in place; what is in `pasted` is lost."""
    if gain is not None:
        pasted *= gain
        pasted += offset
        np.clip(pasted, 0, 1, out=pasted)
    pasted -= window
    pasted *= cv2.merge((weight, weight, weight))
    window += pasted


def _match(picture: np.ndarray, target: np.ndarray, weight: np.ndarray, match: float) -> tuple[np.ndarray, np.ndarray]:
    """Gain and offset (side, 3), the same in every row's pixel, that pull the weighted mean and standard deviation of each colour of
    `picture` towards those of `target`."""
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
    return tuple(np.tile(colours.astype(np.float32), (len(weight), 1)) for colours in (gain, offset))
