"""The pictures for X-Dyna's ControlNets: cropped to the target's aspect ratio, and stretched to the full
range over the whole clip.
"""

from __future__ import annotations

import torch
from torch import Tensor


def ratio_crop(size: tuple[int, int], target: tuple[int, int]) -> tuple[int, int, int, int]:
    """Return the crop (left, top, width, height) of a (width,
    height) frame that has the target's aspect ratio.

    It is centred horizontally; vertically, a quarter of the surplus is cut
    off at the top. Each side is at least one pixel.
    """
    (w, h), (target_w, target_h) = size, target
    width, height = w, max(int(w * target_h / target_w), 1)
    if height > h:
        width, height = max(int(h * target_w / target_h), 1), h
    return (w - width) // 2, (h - height) // 4, width, height


def stretched(clip: Tensor) -> Tensor:
    """Map a clip (F, H, W, 3) of any range to 0..1 by its smallest and
    largest value; a clip of one value becomes 0.
    """
    low, high = clip.amin(), clip.amax()
    return torch.zeros_like(clip) if low == high else (clip - low) / (high - low)


def face_hint(local: Tensor, whole: Tensor) -> Tensor:
    """Stack eyes and mouth (F, H, W, 3) and whole face (F, H, W, 3), each
    stretched separately -> (F, H, W, 6), as trained.
    """
    return torch.cat([stretched(local), stretched(whole)], dim=-1)
