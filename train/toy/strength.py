"""Training of the drive's strength: at strength s the target moves s times as much as the drive shows.

Trained with full drives alone, a network answers half a drive with nearly the whole
movement, and more than one with no more of it.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from ...drawn_heads import State

SHARE = 0.2  # fraction of the targets with a strength other than 1
WEAKEST, STRONGEST = 0.4, 1.5
FURTHEST = torch.from_numpy(
    np.radians([30.0, 45.0, 45.0])
).float()  # largest pitch, yaw and roll that a drive may show
REST = torch.from_numpy(State().translation)


def drawn(draw: torch.Generator, frames: Mapping[str, Tensor]) -> Tensor:
    """(F,) random strengths for target frames.

    A strength below 1 is drawn only if the drive, which is the frame divided by it, stays in range.
    """
    other, where = torch.rand((2, len(frames["coefficients"])), generator=draw)
    needed = torch.cat([frames["coefficients"], frames["rotation"].abs() / FURTHEST], 1).amax(1)
    least = needed.clamp(WEAKEST, STRONGEST)
    return torch.where(other < SHARE, least + where * (STRONGEST - least), torch.ones(()))


def shown(frames: Mapping[str, Tensor], strength: Tensor) -> dict[str, Tensor]:
    """Return rotation, translation and coefficients (F, ...) of the
    drives that give these frames at `strength` (F,).
    """
    part = strength[:, None]
    return {
        "rotation": frames["rotation"] / part,
        # Exactly the input at strength 1.
        "translation": frames["translation"] / part + REST * (1 - 1 / part),
        "coefficients": frames["coefficients"] / part,
    }
