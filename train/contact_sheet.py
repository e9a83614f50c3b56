"""Pictures of a training's progress."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor


def contact_sheet(rows: Sequence[Tensor]) -> np.ndarray:
    """Return (H, W, 3) uint8 of rows of (N, 3, h, w) pictures in 0..1, one column per picture; rows may be
    on different devices.
    """
    strips = [torch.cat(list(row.cpu().clamp(0, 1)), dim=-1) for row in rows]
    return (torch.cat(strips, dim=-2) * 255).round().to(torch.uint8).movedim(0, -1).numpy()
