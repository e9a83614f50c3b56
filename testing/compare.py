"""Compares two results."""

from __future__ import annotations

import torch
from torch import Tensor


def relative_error(got: Tensor, want: Tensor) -> float:
    """Largest difference relative to the largest value of `want`.

    NaN if shapes differ or a value is not finite, so that every comparison with a tolerance is false.
    """
    if got.shape != want.shape or not torch.isfinite(got).all():
        return float("nan")
    return ((got.float() - want.float()).abs().max() / want.float().abs().max()).item()


def relative_rms(got: Tensor, want: Tensor) -> float:
    """Root mean square of the difference relative to that of `want`, which measures the rounding of half
    precision independently of the number of values.

    NaN if shapes differ or a value is not finite.
    """
    if got.shape != want.shape or not torch.isfinite(got).all():
        return float("nan")
    return ((got.float() - want.float()).norm() / want.float().norm()).item()
