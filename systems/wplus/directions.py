"""Edits of a w+ code: one direction per layer, read from the published formats.

w' = w + alpha n. Axis letters: L = 18 layers of StyleGAN.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from ...errors import SettingError, ShapeError
from .adapter import LAYERS, WIDTH

UNIT = LAYERS**0.5  # norm of a direction that is a unit vector in every layer


class GANSpaceRow(NamedTuple):
    """One line of a GANSpace table: the component and the layers start:end that it changes."""

    name: str
    component: int
    start: int
    end: int


def whole(code: Tensor, what: str) -> Tensor:
    """Expand codes or directions to all layers -> (R, L, 512).

    code: (512,), (1, 512), (18, 512) or (R, 18, 512), R = 1 or one per frame; a single vector is used for
    every layer. what: names the tensor in the error. Raises ShapeError for another shape.
    """
    if code.ndim == 3 and tuple(code.shape[1:]) == (LAYERS, WIDTH):
        return code.float()
    if tuple(code.shape) not in ((WIDTH,), (1, WIDTH), (LAYERS, WIDTH)):
        raise ShapeError(
            f"{what} has the shape {tuple(code.shape)}; a w+ code or direction is (512,) or (18, 512).",
            tuple(code.shape),
        )
    return code.float().expand(LAYERS, WIDTH)[None].clone()


def within(direction: Tensor, start: int, end: int) -> Tensor:
    """Return the direction (R, L, 512) with zeros outside layers start:end."""
    kept = direction.new_zeros(direction.shape)
    kept[:, start:end] = direction[:, start:end]
    return kept


def long_enough(w: Tensor) -> Tensor:
    """Scale codes (R, L, 512) that are shorter than UNIT, a unit direction in every layer, to that length.

    The norm after the projection removes the length of a direction, but damps one that is shorter than its
    epsilon: a published smile of length 2.2 would be weaker than another of length 4.2. An identity is about
    ten times as long and stays unchanged.
    """
    length = w.flatten(1).norm(dim=1)[:, None, None]
    return torch.where((length > 0) & (length < UNIT), w * (UNIT / length.clamp_min(1e-12)), w)


def ganspace(w: Tensor, pca: Mapping[str, Tensor], row: GANSpaceRow, strength: float) -> Tensor:
    """Apply GANSpace's edit to w (R, L, 512) -> (R, L, 512), the change to add: it moves w along one
    principal component until the coordinate there is `strength`.

    pca: mean (1, 512), comp (K, 1, 512), std (K,) of `ffhq_pca.pt`. The coordinate is that of the code's
    first layer, as in utils_direction.py. Raises SettingError for a component that the file lacks.
    """
    if not 0 <= row.component < len(pca["comp"]):
        raise SettingError(
            f"GANSpace row {row.name!r} asks for component {row.component}, the file holds 0 to {len(pca['comp']) - 1}.",
            row.name,
            row.component,
        )
    component, deviation = pca["comp"][row.component].float(), pca["std"][row.component].float()
    coordinate = ((w[:, :1] - pca["mean"].float()) * component).sum(-1, keepdim=True) / deviation
    return within(((strength - coordinate) * component * deviation).expand_as(w), row.start, row.end)
