"""Comparison of two results."""

from __future__ import annotations

import torch
from torch import Tensor


def relative_error(got: Tensor, want: Tensor) -> float:
    """Largest difference relative to the largest value of `want`; infinite if shapes differ or a value is not finite."""
    if got.shape != want.shape or not torch.isfinite(got).all():
        return float("inf")
    return ((got.float() - want.float()).abs().max() / want.float().abs().max()).item()
