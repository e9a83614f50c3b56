"""Loads a state dict strictly: it must have exactly the network's tensors, all with finite weights."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TypeVar

import torch
from torch import Tensor, nn

from ...errors import ModelFileError

Network = TypeVar("Network", bound=nn.Module)


def fill(
    network: Network,
    state: Mapping[str, Tensor],
    file: str,
    what: str,
    error: type[ModelFileError],
    dtype: torch.dtype | None = None,
) -> Network:
    """Load `state` into `network` and return the network, frozen, in `dtype` (None = unchanged).

    Raises `error`, with the message that `file` is `what`, for the first tensor that is missing, foreign,
    misshapen or without valid weights.
    """
    if fault := next(_faults(network.state_dict(), state), None):
        raise error(f"{file} is {what}, but {fault}", file)
    network.load_state_dict(state)
    return network.to(dtype=dtype).eval().requires_grad_(False)


def flattened(state: Mapping) -> dict[str, Tensor]:
    """Flatten a state dict with nested dictionaries: names are joined by dots."""
    flat: dict[str, Tensor] = {}
    for name, value in state.items():
        nested = isinstance(value, Mapping)
        flat |= {f"{name}.{key}": tensor for key, tensor in value.items()} if nested else {name: value}
    return flat


def quoted(keys: Iterable[str], limit: int = 3) -> str:
    """Quote the first `limit` keys."""
    names = list(keys)
    return ", ".join(repr(key) for key in names[:limit]) + (", ..." if len(names) > limit else "")


def _faults(own: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> Iterator[str]:
    """Yield the faults of `state`."""
    if missing := sorted(own.keys() - state.keys()):
        yield f"{len(missing)} of its {len(own)} tensors are missing: {quoted(missing)}."
    if foreign := sorted(state.keys() - own.keys()):
        yield f"{len(foreign)} tensors do not belong to it: {quoted(foreign)}."
    for key, value in own.items():
        if value.shape != state[key].shape:
            found, needed = (tuple(tensor.shape) for tensor in (state[key], value))
            yield f"{key!r} is of shape {found}, its other tensors ask for {needed}."
    for key in sorted(own):
        if own[key].is_floating_point():  # without the counters of batch norm
            yield from _weight_faults(key, state[key])


def _weight_faults(key: str, value: Tensor) -> Iterator[str]:
    """Yield the faults of a weight: wrong dtype, or values that are not finite.

    With such weights a network computes noise without an error.
    """
    if value.is_meta:  # has a shape but no values
        return
    if not value.is_floating_point():
        yield f"{key!r} holds {str(value.dtype).removeprefix('torch.')} numbers, which are no weights."
        return
    # One pass without a copy. One-byte floats do not support aminmax, so they are widened.
    low, high = (value if value.element_size() > 1 else value.float()).aminmax()
    if not (low.isfinite() and high.isfinite()):
        bad = int((~value.float().isfinite()).sum())
        yield f"{bad} of {value.numel()} numbers of {key!r} are not finite (NaN or infinite): get it again."
