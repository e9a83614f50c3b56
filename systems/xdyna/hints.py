"""The pictures that X-Dyna's ControlNets look at: cut to the target's shape, and stretched to the full range over the whole clip."""

from __future__ import annotations

import torch
from torch import Tensor


def ratio_crop(size: tuple[int, int], target: tuple[int, int]) -> tuple[int, int, int, int]:
    """(left, top, width, height) of the part of a (width, height) frame that has the target's shape: centred in x, a quarter of the
    rest cut off above; at least a pixel of it."""
    (w, h), (target_w, target_h) = size, target
    width, height = w, max(int(w * target_h / target_w), 1)
    if height > h:
        width, height = max(int(h * target_w / target_h), 1), h
    return (w - width) // 2, (h - height) // 4, width, height


def stretched(clip: Tensor) -> Tensor:
    """(F, H, W, 3) of any range -> 0..1 by the least and the largest value of the whole clip; a clip of one value becomes 0."""
    low, high = clip.amin(), clip.amax()
    return torch.zeros_like(clip) if low == high else (clip - low) / (high - low)


def face_hint(local: Tensor, whole: Tensor) -> Tensor:
    """Eyes and mouth (F, H, W, 3) and the whole face (F, H, W, 3), each stretched by itself -> (F, H, W, 6), as trained."""
    return torch.cat([stretched(local), stretched(whole)], dim=-1)
