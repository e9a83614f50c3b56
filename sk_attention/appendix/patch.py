"""SK cross-attention inside a UNet: which item attends to which tokens, and how strongly.

Queries are what the text attention reads (the normalised feature map), as in
IP-Adapter's decoupled attention: hooks show a patch either this or the text attention's
output, and the output alone hardly knows the picture.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from ...unet.clip.curve import Curve
from ...unet.clip.frames import COND, Rows
from ...unet.feature_cache import TargetDevice
from ...unet.hosts.comfy_attention import READS, REPLACES, AttentionCall, AttentionPatch, Place
from ...unet.hosts.extra_items import frames_of, on_frames
from ...unet.mask import Mask
from .cross import FaceIDAdapter, Projected, TextAdapter, face_tokens

READ = "sk_portrait_cross_inputs"  # in the options of a block: the inputs of its text attention


class ReadingPatch(AttentionPatch):
    """Stores the inputs of the text attention until its output is available."""

    order = READS

    def cross_inputs(
        self, place: Place, n: Tensor, keys: Tensor, values: Tensor, call: AttentionCall
    ) -> tuple[Tensor, Tensor, Tensor]:
        call.options[READ] = n, keys
        return n, keys, values


class _Prepared(NamedTuple):
    """State of one UNet call with these batch items: sequence index (B,) and strength (B, 1, 1, 1) of each
    item, and the mask, None = everywhere.
    """

    rows: Rows
    which: Tensor
    strength: Tensor
    mask: Tensor | None


class FaceIDPatch(ReadingPatch):
    """Adds attention to a face embedding to the text attention of every block.

    embeddings: (1 or F, 512), one person or one per frame; uncond attends to zeros
    strengths:  per frame
    mask:       (1 or F, H, W), None = everywhere
    """

    def __init__(
        self,
        network: FaceIDAdapter,
        embeddings: Tensor,
        strengths: Curve,
        percent_range: tuple[float, float] | None = None,
        mask: Tensor | None = None,
    ):
        self.network, self.embeddings, self.strengths, self.percent_range = (
            network,
            embeddings,
            strengths,
            percent_range,
        )
        self.sites, self.mask = network.sites, Mask(mask)
        self.release()

    def release(self) -> None:
        self._projected: dict[Hashable, Projected] = {}
        self._prepared: dict[torch.device, _Prepared] = {}  # state of the last UNet call on each device
        self.mask.release()

    def cross_output(self, place: Place, out: Tensor, call: AttentionCall) -> Tensor:
        if place not in self.sites:
            return out
        prepared = self._prepared.get(out.device)
        if prepared is None or prepared.rows is not call.rows:
            prepared = self._prepared[out.device] = self._prepare(call.rows, out)
        n, grid = frames_of(call.options[READ][0], call.options), call.grid(out.shape[1])
        added = self.sites[place](n, grid, self._tokens(place, out).of(prepared.which))
        weight = prepared.strength
        if prepared.mask is not None:
            weight = weight * F.interpolate(prepared.mask, size=grid, mode="bilinear", align_corners=False)
        return on_frames(lambda frames: frames + weight.flatten(2).transpose(1, 2) * added, out, call.options)

    def _prepare(self, rows: Rows, like: Tensor) -> _Prepared:
        people = len(self.embeddings)
        if people > 1:
            rows.require_clip(people, "list of face embeddings")
        which = [
            (frame if people > 1 else 0) if side == COND else people
            for frame, side in zip(rows.frames, rows.sides, strict=True)
        ]
        strength = torch.tensor(self.strengths.of(rows, "list of strengths"))[:, None, None, None]
        return _Prepared(
            rows,
            torch.tensor(which, device=like.device),
            strength.to(like),
            self.mask.at(rows, TargetDevice(like.device, like.dtype)),
        )

    def _tokens(self, place: Place, like: Tensor) -> Projected:
        """Keys and values of all embeddings and of zeros; projected once per run."""
        key = place, like.device, like.dtype
        if key not in self._projected:
            known = torch.cat([self.embeddings, torch.zeros_like(self.embeddings[:1])]).to(like)
            self._projected[key] = self.sites[place].project(face_tokens(known))
        return self._projected[key]


class TextPatch(ReadingPatch):
    """Replaces the text attention of the network's blocks. strength: 1 = replaced, 0 = the UNet's own."""

    order = REPLACES

    def __init__(
        self, network: TextAdapter, strength: float = 1.0, percent_range: tuple[float, float] | None = None
    ):
        self.sites, self.strength, self.percent_range = network.sites, strength, percent_range

    def cross_output(self, place: Place, out: Tensor, call: AttentionCall) -> Tensor:
        if place not in self.sites:
            return out
        n, context = call.options[READ]
        module = self.sites[place]
        own = module(n, call.grid(n.shape[1]), module.project(context))
        return own if self.strength == 1.0 else out + self.strength * (own - out)
