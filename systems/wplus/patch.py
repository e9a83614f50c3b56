"""The W+ adapter as an attention patch: which batch item attends to which tokens, and how strongly.

f'' = f' + lambda Attn(f', tokens), where f' is the output of the text attention ("W+ in AnimateDiff",
Residual Cross-Attention Integration).
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from ...unet.clip.curve import Curve
from ...unet.clip.frames import COND, Rows
from ...unet.clip.run import SAME_PERCENT, Run
from ...unet.hosts.comfy_attention import AttentionCall, AttentionPatch, Place
from ...unet.hosts.extra_items import on_frames
from .adapter import LAYERS, WIDTH, WPlus


class _Asked(NamedTuple):
    """State of one UNet call with these batch items.

    scale: lambda (B, 1, 1) of each item, None if all are 0; codes: (B,) index of each item's tokens.
    """

    rows: Rows
    scale: Tensor | None
    codes: Tensor


class WPlusPatch(AttentionPatch):
    """Attention patch of the W+ adapter.

    w: (1 or F, L, 512), codes, or directions by themselves
    lambdas: per frame
    uncond: whether uncond items attend too, to the tokens of w = 0, as in the official code
    turn:   a frame with negative lambda attends to the tokens of -w with the absolute lambda. The edit
      differs from a negative lambda: because of the norm, the tokens of -w are not the negative of those of w
    delay:  fraction of the sampling, 0..1, in which lambda is 0; 0 = no delay. If step i of N lies at i / N,
      these are the steps up to int(delay x N), as in the official code
    percent_range: (start, end) as 0..1, None = always
    """

    def __init__(
        self,
        network: WPlus,
        w: Tensor,
        lambdas: Curve,
        uncond: bool = True,
        turn: bool = False,
        delay: float = 0.0,
        percent_range: tuple[float, float] | None = None,
    ):
        self.network, self.w, self.lambdas = network, w, lambdas
        self.uncond, self.turn, self.delay, self.percent_range = uncond, turn, delay, percent_range
        self.sites = network.sites()
        self.release()

    def release(self) -> None:
        self._tokens: dict[
            torch.device, Tensor
        ] = {}  # (2 R + 1, 4, D): tokens of the R codes, of the negated codes, and of w = 0
        self._asked: dict[torch.device, _Asked] = {}  # state of the last UNet call on each device

    def cross_heads(self, place: Place, q: Tensor, out: Tensor, call: AttentionCall) -> Tensor:
        asked = self._asked.get(out.device)
        if asked is None or call.rows is not asked.rows:
            asked = self._asked[out.device] = self._prepare(call, out)
        if asked.scale is None:
            return out
        return on_frames(partial(self._add, place, asked), out, call.options)

    def _add(self, place: Place, asked: _Asked, text: Tensor) -> Tensor:
        return text + asked.scale * self.sites[place](text, self._tokens[text.device][asked.codes])

    def _prepare(self, call: AttentionCall, like: Tensor) -> _Asked:
        """Build the state that all places of one UNet call share."""
        rows = call.rows
        count = len(self.w)
        if count > 1:
            rows.require_clip(count, "list of w+ codes")
        conds = torch.tensor([side == COND for side in rows.sides])
        scale = torch.tensor(self.lambdas.of(rows, "list of lambdas")) * (conds | self.uncond)
        codes = torch.tensor(rows.frames) if count > 1 else torch.zeros(len(rows.frames), dtype=torch.long)
        if self.turn:
            codes, scale = codes + count * (scale < 0), scale.abs()
        if like.device not in self._tokens:
            w = torch.cat([self.w, -self.w, torch.zeros(1, LAYERS, WIDTH)])
            self._tokens[like.device] = self.network.w_proj(w.to(like.device, torch.float32)).to(like.dtype)
        asleep = not scale.any() or waits(self.delay, call.run, call.sigma)
        codes = torch.where(conds, codes, 2 * count).to(like.device)
        return _Asked(rows, None if asleep else scale[:, None, None].to(like), codes)


def waits(delay: float, run: Run | None, sigma: float | None) -> bool:
    """Whether a noise level lies in the first `delay` (0..1) of the sampling.

    False if delay is 0, and outside a run.
    """
    if not delay or run is None:
        return False
    assert sigma is not None, "inside of a run every call has a noise level"
    return run.percent_of(sigma) <= delay + SAME_PERCENT
