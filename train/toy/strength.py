"""The drive's strength as something that is learned: at strength s the target moves s times as much as the drive shows.

With full drives alone a network answers half a drive with nearly the whole movement, and more than one with no more of it.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from ...drawn_heads import State

SHARE = 0.2  # of the targets, to which a strength other than 1 is given
WEAKEST, STRONGEST = 0.4, 1.5
FURTHEST = torch.from_numpy(
    np.radians([30.0, 45.0, 45.0])
).float()  # pitch, yaw and roll that a drive may show
REST = torch.from_numpy(State().translation)


def drawn(draw: torch.Generator, frames: Mapping[str, Tensor]) -> Tensor:
    """(F,) strengths for frames that are the targets: a weaker one only where the drive can show what it is a part of."""
    other, where = torch.rand((2, len(frames["coefficients"])), generator=draw)
    needed = torch.cat([frames["coefficients"], frames["rotation"].abs() / FURTHEST], 1).amax(1)
    least = needed.clamp(WEAKEST, STRONGEST)
    return torch.where(other < SHARE, least + where * (STRONGEST - least), torch.ones(()))


def shown(frames: Mapping[str, Tensor], strength: Tensor) -> dict[str, Tensor]:
    """Rotation, translation and coefficients (F, ...) of the drives that at `strength` (F,) mean these frames."""
    part = strength[:, None]
    return {
        "rotation": frames["rotation"] / part,
        "translation": frames["translation"] / part + REST * (1 - 1 / part),  # at strength 1 the very numbers
        "coefficients": frames["coefficients"] / part,
    }
