"""Edits of a w+ code: a direction for every layer, from the forms in which they are published.

w' = w + alpha n. Axis letters: L = 18 layers of StyleGAN.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from torch import Tensor

from .wplus import LAYERS, WIDTH


class GANSpaceRow(NamedTuple):
    """One line of a GANSpace table: the component, and the layers start:end that it changes."""

    name: str
    component: int
    start: int
    end: int


def whole(code: Tensor, what: str) -> Tensor:
    """A code or direction of shape (512,), (1, 512), (18, 512) or (1, 18, 512) for all layers, (L, 512); one row serves every layer.

    Raises ValueError for another shape.
    """
    rows = code.float().reshape(-1, code.shape[-1]) if code.ndim else code
    if tuple(rows.shape) not in ((1, WIDTH), (LAYERS, WIDTH)) or code.ndim > 3:
        raise ValueError(f"{what} has the shape {tuple(code.shape)}; a w+ code or direction is (512,) or (18, 512).")
    return rows.expand(LAYERS, WIDTH).clone()


def within(direction: Tensor, start: int, end: int) -> Tensor:
    """The direction in layers start:end, zero in the others."""
    kept = direction.new_zeros(direction.shape)
    kept[start:end] = direction[start:end]
    return kept


def ganspace(w: Tensor, pca: Mapping[str, Tensor], row: GANSpaceRow, strength: float) -> Tensor:
    """GANSpace's edit of w (L, 512): moves it along one principal component until its coordinate there is `strength` -> (L, 512).

    pca: mean (1, 512), comp (K, 1, 512), std (K,) of `ffhq_pca.pt`. The coordinate is that of the code's first layer, as in
    utils_direction.py. Raises ValueError for a component that the file lacks.
    """
    if not 0 <= row.component < len(pca["comp"]):
        raise ValueError(f"GANSpace row {row.name!r} asks for component {row.component}, the file holds 0 to {len(pca['comp']) - 1}.")
    component, deviation = pca["comp"][row.component].float(), pca["std"][row.component].float()
    coordinate = ((w[:1] - pca["mean"].float()) * component).sum() / deviation
    return within(((strength - coordinate) * component * deviation).expand(LAYERS, WIDTH), row.start, row.end)
