"""The noise schedule of SD1.5's training, and the network's target: the
noise (eps), or the velocity of v-prediction.
"""

from __future__ import annotations

import torch
from torch import Tensor

STEPS = 1000
BETAS = (0.00085, 0.012)  # scaled linear
TARGETS = ("eps", "v")


def signal() -> Tensor:
    """(1000,) fraction of signal (alpha-bar) at each timestep, float64."""
    betas = torch.linspace(BETAS[0] ** 0.5, BETAS[1] ** 0.5, STEPS, dtype=torch.float64) ** 2
    return torch.cumprod(1 - betas, 0)


def weights(timesteps: Tensor) -> tuple[Tensor, Tensor]:
    """Return the factors (B, 1, 1, 1) of the latent and of the noise at (B,) timesteps, float32."""
    left = signal().to(timesteps.device)[timesteps].float()[:, None, None, None]
    return left.sqrt(), (1 - left).sqrt()


def noised(latents: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
    """Add noise to (B, 4, h, w) latents for (B,) timesteps."""
    kept, added = weights(timesteps)
    return kept * latents + added * noise


def target(kind: str, latents: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
    """Return the UNet's target: the noise, or v = kept * noise - added * latents (arXiv 2202.00512)."""
    if kind == "eps":
        return noise
    kept, added = weights(timesteps)
    return kept * noise - added * latents


def clean(kind: str, noisy: Tensor, answer: Tensor, timesteps: Tensor) -> tuple[Tensor, Tensor]:
    """Convert the UNet's output to (latents, noise)."""
    kept, added = weights(timesteps)
    if kind == "eps":
        return (noisy - added * answer) / kept, answer
    return kept * noisy - added * answer, kept * answer + added * noisy


def step(kind: str, noisy: Tensor, answer: Tensor, now: Tensor, then: Tensor | None) -> Tensor:
    """Do one deterministic step (DDIM) from (B,) timesteps `now` to `then`; None = to the clean latents."""
    latents, noise = clean(kind, noisy, answer, now)
    return latents if then is None else noised(latents, noise, then)
