"""The format of values sent to workers: features of a clip as arrays, which all
workers of a machine read from the same memory.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..sk_attention.drive import Drive


@dataclass(frozen=True)
class _Features:
    """A Drive with arrays instead of tensors."""

    features: Mapping[str, np.ndarray]
    null: Mapping[str, np.ndarray]
    versions: tuple[str, ...]
    size: tuple[int, int] | None
    dtype: torch.dtype


def packed(value: Any) -> Any:
    """Convert a value to the format in which it is sent."""
    if not isinstance(value, Drive):
        return value
    dtype = next(iter(value.features.values())).dtype
    return _Features(_arrays(value.features), _arrays(value.null), value.versions, value.size, dtype)


def unpacked(value: Any) -> Any:
    """The inverse of `packed`. The features are read-only memory and must not be written."""
    if not isinstance(value, _Features):
        return value
    return Drive(
        _tensors(value.features, value.dtype),
        _tensors(value.null, value.dtype),
        value.versions,
        value.size,
    )


def _arrays(features: Mapping[str, Tensor]) -> dict[str, np.ndarray]:
    # NumPy has no bfloat16, so every tensor is sent as bytes.
    return {
        boundary: feature.detach().cpu().contiguous().view(torch.uint8).numpy()
        for boundary, feature in features.items()
    }


def _tensors(features: Mapping[str, np.ndarray], dtype: torch.dtype) -> dict[str, Tensor]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return {boundary: torch.from_numpy(array).view(dtype) for boundary, array in features.items()}
