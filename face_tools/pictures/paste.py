"""Put a cropped and changed portrait back into the frame it came from."""

from __future__ import annotations

import cv2
import numpy as np

from .crop import Crop


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


def paste_back(frame: np.ndarray, picture: np.ndarray, crop: Crop, weight: np.ndarray, match: float = 0.0) -> np.ndarray:
    """(H, W, 3) float32 0..1: `frame` with the (size, size, 3) crop `picture` in its window, by `weight` (side, side).

    Where the weight is 0 the frame is unchanged, bit for bit. match 0..1 pulls mean and spread of each colour of the picture towards
    the window's. Raises TrackError where a size is not the crop's.
    """
    crop.check(frame)
    result = frame.copy()
    window = result[crop.y : crop.y + crop.side, crop.x : crop.x + crop.side]
    pasted = crop.restore(picture)
    if match:
        pasted = pasted + np.float32(match) * (_matched(pasted, window, weight) - pasted)
    blend = weight[..., None]
    window[...] = np.where(blend > 0, window + blend * (pasted - window), window)
    return result


def _matched(picture: np.ndarray, target: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """`picture` with the weighted mean and standard deviation that each colour has in `target`."""
    total = max(float(weight.sum()), 1e-6)

    def moments(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        mean = (values * weight[..., None]).sum((0, 1)) / total
        return mean, np.sqrt(((values - mean) ** 2 * weight[..., None]).sum((0, 1)) / total)

    (mean, spread), (wanted_mean, wanted_spread) = moments(picture), moments(target)
    return np.clip((picture - mean) * (wanted_spread / np.maximum(spread, 1e-4)) + wanted_mean, 0, 1)
