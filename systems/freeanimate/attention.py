"""Reference-anchored self-attention (RA-SA) and inversion-boosted attention (IBA) of FreeAnimate.

They have no weights and work with any checkpoint.

RA-SA: each frame attends to itself and to the reference, out_i = softmax(Q_i [K_i; K_a]^T / sqrt(d)) [V_i;
V_a].
IBA: the attention map comes from a frame of another clip (the preview); only the values are the frame's own:
out_i = softmax(Q_pre_i [K_pre_i; K_pre_a]^T / sqrt(d)) [V_i; V_a]. The preview's frames are extra batch
items, so no map is stored.

Axis letters: B items of the UNet batch, n feature pixels, m text tokens, C channels.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from ...unet.hosts.comfy_attention import AttentionCall, AttentionPatch, Place

KEY = "sk_portrait_reading"  # in transformer_options
DEEPEST = 3  # level of the middle block


class Reading(NamedTuple):
    """Which batch item each item reads in one UNet call; index tensors (B,).

    anchors      item of its reference; the item itself if it has none; None if no item has one
    self_maps    item that its self-attention map comes from
    cross_maps   item that its text-attention map comes from
    """

    anchors: Tensor | None
    self_maps: Tensor
    cross_maps: Tensor


def level_of(place: Place) -> int:
    """Number of times the picture has been halved at a place: 0 (largest attention map) to 3."""
    side, block, _ = place
    return {"down": block, "mid": DEEPEST, "up": DEEPEST - block}[side]


class AnchoredAttention(AttentionPatch):
    """Attention patch that follows the layout of extra items from reference_items.py.

    It acts only in UNet calls with such a layout.

    level:       first level (see `level_of`) that attends to the reference. Level 0, the largest attention
      maps, costs most; FateZero (arXiv 2303.09535) leaves it unchanged.
    largest_map: largest number of feature pixels for which self-attention maps come from the preview
    """

    def __init__(self, level: int = 0, largest_map: int = 1 << 30):
        self.level, self.largest_map = level, largest_map

    def self_inputs(self, place: Place, n: Tensor, keys: Tensor, values: Tensor, call: AttentionCall):
        reading: Reading | None = call.options.get(KEY)
        if reading is None:
            return n, keys, values
        maps = reading.self_maps if n.shape[1] <= self.largest_map else torch.arange(len(n), device=n.device)
        anchors = reading.anchors if level_of(place) >= self.level else None
        if anchors is not None:
            mapped = torch.cat([keys[maps], keys[anchors[maps]]], dim=1)
            return n[maps], mapped, torch.cat([values, values[anchors]], dim=1)
        return n[maps], keys[maps], values

    def cross_inputs(self, place: Place, n: Tensor, keys: Tensor, values: Tensor, call: AttentionCall):
        reading: Reading | None = call.options.get(KEY)
        if reading is None:
            return n, keys, values
        return n[reading.cross_maps], keys[reading.cross_maps], values
