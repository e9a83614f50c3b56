"""One training step of reference adapter and drive encoder: a noisy frame, its
drive, its portrait, and the loss of section 3.6.

Axis letters: B target frames, R portraits (each is used by one or
more targets), C channels, h w latent pixels.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from ..sk_attention.drive import EMPTY, Expression
from ..sk_attention.motion import SKMotion
from ..unet.clip.frames import COND, Rows
from ..unet.feature_cache import TargetDevice
from ..unet.hosts.comfy_injection import TemporalPatch
from ..unet.hosts.diffusers_hooks import bound
from ..unet.hosts.diffusers_injection import moving
from ..unet.patches import CAPTURE, DRIVE, MOTION, REFERENCE, Call, WeightedPatch
from . import noise as schedule

OPTIONS = {"cond_or_uncond": [COND]}
MASK_FLOOR = 1e-6  # avoids division by zero for an empty mask


@dataclass(frozen=True)
class Batch:
    """The inputs of one training step.

    latents (B, 4, h, w), noise (B, 4, h, w), timesteps (B,), portraits (R, 4, h, w), owner (B,) index
    of each target's portrait: R equal parts in order; dropped (R,) bool: the conditions of these
    portraits and their targets are replaced by the null; pictures (B, 3, H, W) of the head pose in
    -1..1, coefficients (B, 51), patches (B, 3, 1024), mask (B, 1, h, w) of eyes and mouth in 0..1, all
    zero = plain mean loss; strength (B,) of the drive
    """

    latents: Tensor
    noise: Tensor
    timesteps: Tensor
    portraits: Tensor
    owner: Tensor
    dropped: Tensor
    pictures: Tensor
    coefficients: Tensor
    patches: Tensor
    mask: Tensor
    strength: Tensor

    def conditions(self) -> tuple[Tensor, Tensor, Expression]:
        """Return portraits, head-pose pictures and expression, with those of dropped samples replaced by
        empty ones (hellomeme.md, the nulls of guidance).
        """
        keep = ~self.dropped
        kept = keep[self.owner]
        pictures = torch.where(
            kept[:, None, None, None], self.pictures, torch.full_like(self.pictures, EMPTY)
        )
        expression = Expression(self.coefficients * kept[:, None], self.patches * kept[:, None, None])
        return self.portraits * keep[:, None, None, None], pictures, expression


class Enough(Exception):
    """Raised to end a pass after the last needed feature."""


class Plain:
    """Base of patches for a single UNet call, which need no preparation and keep no state."""

    def prepare(self, rows: Rows, target: TargetDevice) -> None:
        """Do nothing: these patches need no preparation."""

    def release(self) -> None:
        """Do nothing: the features are needed after the call."""


class Look(Plain):
    """Captures features together with their autograd graph, and ends the pass after the last one."""

    order = CAPTURE

    def __init__(self, sites):
        self.sites, self.features = set(sites), {}

    def __call__(self, boundary: str, h: Tensor, prepared: None, call: Call) -> Tensor:
        self.features[boundary] = h
        if len(self.features) == len(self.sites):
            raise Enough
        return h


def look(unet: nn.Module, latents: Tensor, text: Tensor | None, sites: Container[str]) -> dict[str, Tensor]:
    """Return {block boundary: (R, C, h, w)} at timestep 0 for clean latents (R, 4, h, w), with an autograd
    graph if gradients are enabled.
    """
    looking = Look(sites)
    with bound(unet, [WeightedPatch(looking)], OPTIONS):
        try:
            unet(latents, 0, encoder_hidden_states=text)
        except Enough:
            pass
    return looking.features


class Driven(Plain):
    order = DRIVE

    def __init__(self, features: Mapping[str, Tensor], strength: Tensor):
        self.sites, self.features, self.strength = features.keys(), features, strength[:, None, None, None]

    def __call__(self, boundary: str, h: Tensor, prepared: None, call: Call) -> Tensor:
        return h + (self.features[boundary] * self.strength).to(h)


class Attending(Plain):
    order = REFERENCE

    def __init__(self, adapter: nn.Module, features: Mapping[str, Tensor]):
        self.sites, self.features = adapter.sites, features

    def __call__(self, boundary: str, h: Tensor, prepared: None, call: Call) -> Tensor:
        module = self.sites[boundary]
        return module(h, module.project(self.features[boundary]))


class Moving(Plain):
    """SK motion between the first and the last frame of each clip."""

    order = MOTION

    def __init__(self, network: SKMotion, pads: Mapping[str, Tensor]):
        self.sites, self.pads = network.boundaries(), pads

    def __call__(self, boundary: str, h: Tensor, prepared: None, call: Call) -> Tensor:
        return self.sites[boundary](h, call.chunk, self.pads[boundary], call.emb)


class Portrait(nn.Module):
    """UNet, reference adapter and drive encoder as one network.

    text: (2, t, D) of the single prompt and of the empty one, None if the UNet reads no text
    motion: temporal modules, AnimateDiff's or SK motion; the targets of each portrait are then neighbouring
      frames
    live: train through the reference pass too, for a base that is trained together with its adapters;
      otherwise it has no autograd graph
    """

    def __init__(
        self,
        unet: nn.Module,
        adapter: nn.Module,
        drive: nn.Module,
        text: Tensor | None = None,
        motion: Sequence[nn.Module] = (),
        live: bool = False,
    ):
        super().__init__()
        self.unet, self.adapter, self.drive, self.live = unet, adapter, drive, live
        self.motion = nn.ModuleList(motion)
        self.register_buffer("text", text, persistent=False)

    def _prompt(self, dropped: Tensor) -> Tensor | None:
        return None if self.text is None else self.text[dropped.long()]

    def features(
        self, portraits: Tensor, dropped: Tensor, sites: Container[str], live: bool = False
    ) -> dict[str, Tensor]:
        """Return {block boundary: (R, C, h, w)} at timestep 0.

        portraits: (R, 4, h, w) clean latents; dropped: (R,) which
        of them are empty; live: with an autograd graph
        """
        with torch.set_grad_enabled(live and torch.is_grad_enabled()):
            return look(self.unet, portraits, self._prompt(dropped), sites)

    def forward(self, noisy: Tensor, timesteps: Tensor, batch: Batch) -> Tensor:
        """Return the UNet's output for noisy latents (B, 4, h, w) at (B,) timesteps."""
        portraits, pictures, expression = batch.conditions()
        seen = self.features(portraits, batch.dropped, self.adapter.sites, self.live)
        patches = [
            WeightedPatch(Driven(self.drive(pictures, expression), batch.strength)),
            WeightedPatch(Attending(self.adapter, seen)),
        ]
        options = {"cond_or_uncond": [COND] * len(portraits)}
        with ExitStack() as stack:
            for network in self.motion:
                if isinstance(network, SKMotion):
                    patches.append(WeightedPatch(Moving(network, self._pads(network, batch))))
                else:
                    stack.enter_context(moving(self.unet, WeightedPatch(TemporalPatch(network)), options))
            stack.enter_context(bound(self.unet, patches, options))
            return self.unet(
                noisy, timesteps, encoder_hidden_states=self._prompt(batch.dropped[batch.owner])
            ).sample

    def _pads(self, network: SKMotion, batch: Batch) -> dict[str, Tensor]:
        """Return {block boundary: (R, 2, C, h, w)} of the first and last frame of each clip; of empty
        latents for dropped samples.
        """
        clips = batch.latents.unflatten(0, (len(batch.portraits), -1))
        ends = (clips[:, [0, -1]] * ~batch.dropped[:, None, None, None, None]).flatten(0, 1)
        seen = self.features(ends, batch.dropped.repeat_interleave(2), network.boundaries())
        return {boundary: feature.unflatten(0, (-1, 2)) for boundary, feature in seen.items()}


class Objective(nn.Module):
    """The loss of a network called with (noisy, timesteps, batch).

    target: "eps", or "v" for bases with v-prediction.
    """

    def __init__(self, network: nn.Module, target: str = "eps"):
        super().__init__()
        self.network, self.target = network, target

    def forward(self, batch: Batch) -> Tensor:
        return self.outputs_and_loss(batch)[-1]

    def outputs_and_loss(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """Return noisy latents, the network's output for them, and the loss."""
        noisy = schedule.noised(batch.latents, batch.noise, batch.timesteps)
        wanted = schedule.target(self.target, batch.latents, batch.noise, batch.timesteps)
        answer = self.network(noisy, batch.timesteps, batch)
        return noisy, answer, loss(answer, wanted, batch.mask, batch.timesteps)

    @torch.no_grad()
    def sample(self, batch: Batch, steps: int = 10, guidance: float = 1.0) -> Tensor:
        """Sample (B, 4, h, w) latents from the batch's noise, with
        deterministic steps and classifier-free guidance (1 = none).
        """
        times = torch.linspace(schedule.STEPS - 1, 0, steps + 1).round().long()[:-1].tolist()
        x = batch.noise
        for now, then in zip(times, [*times[1:], None]):
            at = torch.full_like(batch.timesteps, now)
            x = schedule.step(
                self.target,
                x,
                self._guided(x, at, batch, guidance),
                at,
                None if then is None else torch.full_like(at, then),
            )
        return x

    def _guided(self, noisy: Tensor, at: Tensor, batch: Batch, guidance: float) -> Tensor:
        answer = self.network(noisy, at, batch).float()
        if guidance == 1:
            return answer
        without = replace(batch, dropped=torch.ones_like(batch.dropped))
        plain = self.network(noisy, at, without).float()
        return plain + guidance * (answer - plain)


def loss(answer: Tensor, wanted: Tensor, mask: Tensor, timesteps: Tensor) -> Tensor:
    """mean(e) + sum(M e) alpha beta (section 3.6), averaged over samples; alpha falls
    with the timestep, beta is 1 / the mask's sum.

    answer, wanted: (B, 4, h, w); mask: (B, 1, h, w), counted once per channel in both sums
    """
    e = (answer.float() - wanted.float()) ** 2
    m = mask.float().expand_as(e)
    alpha = (schedule.STEPS - timesteps) / schedule.STEPS
    masked = (m * e).sum((1, 2, 3)) / (m.sum((1, 2, 3)) + MASK_FLOOR)
    return e.mean() + (alpha * masked).mean()
