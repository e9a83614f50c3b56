"""Reference-anchored self-attention (RA-SA) and inversion-boosted attention (IBA) of FreeAnimate: no weights, any checkpoint.

RA-SA: each frame attends to itself and to the reference, out_i = softmax(Q_i [K_i; K_a]^T / sqrt(d)) [V_i; V_a].
IBA: the attention map is that of another clip's frame (the preview), only what is attended to is the frame's own:
out_i = softmax(Q_pre_i [K_pre_i; K_pre_a]^T / sqrt(d)) [V_i; V_a]. The preview's rows are in the batch, so that no map is ever stored.

Axis letters: B rows of the UNet batch, n cells, m tokens of the text, C channels.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from ...unet.hosts.comfy_attention import AttentionCall, AttentionPatch, Place

KEY = "sk_portrait_reading"  # in transformer_options
DEEPEST = 3  # level of the middle block


class Reading(NamedTuple):
    """Who reads whom in one UNet call, a row number for each row (B,).

    anchors      the row of its reference; the row itself where it has none; None where no row has one
    self_maps    whose self-attention map it takes
    cross_maps   whose map over the text it takes
    """

    anchors: Tensor | None
    self_maps: Tensor
    cross_maps: Tensor


def level_of(place: Place) -> int:
    """How often the picture has been halved at a place: 0, where the map is largest, to 3."""
    side, block, _ = place
    return {"down": block, "mid": DEEPEST, "up": DEEPEST - block}[side]


class AnchoredAttention(AttentionPatch):
    """Reads what the wrapper of extra rows has laid out (anchored_rows.py). Acts in calls that it has laid out, and in no others.

    level:       first level that reads the reference; below it lies where most of the cost is, and FateZero leaves it plain
    largest_map: most cells of a map that is taken from the preview
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
