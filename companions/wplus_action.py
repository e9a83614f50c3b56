"""The W+ adapter inside a UNet: which row attends to which tokens, and how strongly.

f'' = f' + lambda Attn(f', tokens), where f' is what the text attention gave ("W+ in AnimateDiff", Residual Cross-Attention Integration).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from ..unet.attentions import AttentionAction, AttentionCall, Place
from ..unet.extra_rows import on_frames
from ..unet.frames import COND, Rows
from .wplus import LAYERS, WIDTH, WPlus

SLACK = 1e-4  # of a noise level: the host may compute in another precision than it announces


@dataclass(frozen=True)
class Lambdas:
    """How strongly the frames follow: one value a frame, or values at key frames, linear between them and held at the ends."""

    values: tuple[float, ...]
    frames: tuple[int, ...] | None = None

    @classmethod
    def constant(cls, value: float) -> Lambdas:
        return cls((value,), (0,))

    @classmethod
    def parse(cls, text: str) -> Lambdas:
        """Key frames as text, `0: -0.7, 24: 0, 48: 0.7`. Raises ValueError that quotes the part it cannot read."""
        found = {}
        for part in filter(None, (part.strip() for part in re.split(r"[,;\n]", text))):
            if not (match := re.fullmatch(r"(\d{1,9})\s*:\s*([+-]?(?:\d{1,9}\.?\d*|\.\d+))", part)):
                raise ValueError(f"{part[:60]!r} is no key frame; write FRAME: LAMBDA, such as 0: -0.7, 24: 0, 48: 0.7.")
            found[int(match[1])] = float(match[2])
        return cls(tuple(found[frame] for frame in sorted(found)), tuple(sorted(found)))

    def times(self, factor: float) -> Lambdas:
        return Lambdas(tuple(value * factor for value in self.values), self.frames)

    def of(self, rows: Rows) -> Tensor:
        """The lambda of each row (B,). Raises FrameCountError for a list of another length than the clip."""
        if self.frames is not None:
            return torch.from_numpy(np.interp(rows.frames, self.frames, self.values).astype(np.float32))
        rows.require_clip(len(self.values), "list of lambdas")
        return torch.tensor([self.values[frame] for frame in rows.frames])


class WPlusAction(AttentionAction):
    """w: (1 or F, L, 512), a code, or a direction by itself.

    uncond: whether the other half of guidance attends too, to the tokens of w = 0, as in the published code
    turn:   a frame of negative lambda attends to the tokens of -w with the lambda's size. Another edit: the tokens of -w are not the
            negative of those of w, since a norm follows
    delay:  lambda is 0 in the steps up to int(delay x steps), as in the published code; 0 = no delay
    span:   (start, end) part of the sampling in which it acts, None = always
    """

    def __init__(
        self,
        network: WPlus,
        w: Tensor,
        lambdas: Lambdas,
        uncond: bool = True,
        turn: bool = False,
        delay: float = 0.0,
        span: tuple[float, float] | None = None,
    ):
        self.network, self.w, self.lambdas = network, w, lambdas
        self.uncond, self.turn, self.delay, self.span = uncond, turn, delay, span
        self.sites = network.sites()
        self.release()

    def release(self) -> None:
        self._tokens: Tensor | None = None  # (2 R + 1, 4, D) of the R codes, of these turned around, and of w = 0
        self._rows: Rows | None = None  # of the UNet call that these two are for:
        self._scale: Tensor | None = None  # (B, 1, 1)
        self._codes: Tensor | None = None  # (B,)

    def cross_heads(self, place: Place, q: Tensor, out: Tensor, call: AttentionCall) -> Tensor:
        if call.rows is not self._rows:
            self._prepare(call, out)
        if self._scale is None:
            return out
        return on_frames(partial(self._add, place), out, call.options)

    def _add(self, place: Place, text: Tensor) -> Tensor:
        return text + self._scale * self.sites[place](text, self._tokens[self._codes])

    def _prepare(self, call: AttentionCall, like: Tensor) -> None:
        """What all places of one UNet call share: the lambda and the tokens of each row, no lambda where all are 0."""
        self._rows = rows = call.rows
        count = len(self.w)
        if count > 1:
            rows.require_clip(count, "list of w+ codes")
        conds = torch.tensor([branch == COND for branch in rows.branches])
        scale = self.lambdas.of(rows) * (conds | self.uncond)
        codes = torch.tensor(rows.frames) if count > 1 else torch.zeros(len(rows.frames), dtype=torch.long)
        if self.turn:
            codes, scale = codes + count * (scale < 0), scale.abs()
        asleep = not scale.any() or self._waits(call)
        self._scale = None if asleep else scale[:, None, None].to(like)
        self._codes = torch.where(conds, codes, 2 * count).to(like.device)
        if self._tokens is None:
            w = torch.cat([self.w, -self.w, torch.zeros(1, LAYERS, WIDTH)])
            self._tokens = self.network.w_proj(w.to(like.device, torch.float32)).to(like.dtype)

    def _waits(self, call: AttentionCall) -> bool:
        levels = call.options.get("sample_sigmas")
        if not self.delay or levels is None:
            return False
        return call.sigma >= float(levels[int(self.delay * (len(levels) - 1))]) * (1 - SLACK)
