"""X-Dyna's schedule and start latents: DDIM over linear betas from t = 961 down, starting from frames that
are part reference, part blurred reference.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ...errors import SettingError

TRAINED_STEPS = 1000
# Linear in diffusers' sense, as AnimateDiff v1 was trained; ComfyUI calls it sqrt_linear.
BETAS = (
    0.00085,
    0.012,
)
KERNEL, SIGMA = 9, 18.0  # of the blur, in latent pixels


def timesteps(steps: int) -> Tensor:
    """Return the timesteps (steps,) int64, falling to 1: "leading" spacing with offset 1. Raises
    SettingError for steps outside 1..1000.
    """
    if not 1 <= steps <= TRAINED_STEPS:
        raise SettingError(f"X-Dyna's schedule has 1 to {TRAINED_STEPS} steps, not {steps}.", "steps", steps)
    return torch.arange(steps).flip(0) * (TRAINED_STEPS // steps) + 1


def alphas_cumprod() -> Tensor:
    """Return (1000,) float32: cumulative alphas, the signal's fraction of the variance at each timestep."""
    return torch.cumprod(1 - torch.linspace(*BETAS, TRAINED_STEPS), 0)


def sigmas(steps: int) -> Tensor:
    """Return (steps + 1,): the noise levels of `timesteps`, then 0.

    Euler steps over them equal DDIM steps.
    """
    alphas = alphas_cumprod()[timesteps(steps)]
    return torch.cat([((1 - alphas) / alphas).sqrt(), torch.zeros(1)])


def blur(latent: Tensor) -> Tensor:
    """Blur a latent (B, 4, h, w) with a 9 x 9 Gaussian, mirrored at the border.

    Both sides must be at least 5 latent pixels.
    """
    x = torch.linspace(-(KERNEL // 2), KERNEL // 2, KERNEL)
    kernel = torch.exp(-0.5 * (x / SIGMA) ** 2)
    kernel = (kernel / kernel.sum()).to(latent)
    channels = latent.shape[1]
    weight = torch.outer(kernel, kernel).expand(channels, 1, KERNEL, KERNEL)
    return F.conv2d(F.pad(latent, [KERNEL // 2] * 4, mode="reflect"), weight, groups=channels)


def mixed(reference: Tensor, keep: Tensor) -> Tensor:
    """Return the reference (1, 4, h, w) where keep (F, 4, h, w)
    is true and its blur elsewhere -> (F, 4, h, w).
    """
    return torch.where(keep.bool(), reference, blur(reference))


def blurred_start(reference: Tensor, frames: int, seed: int) -> Tensor:
    """Return the official start latents (F, 4, h, w) before noise: each value comes at random, with
    probability 1/2, from the reference or from its blur.
    """
    coin = torch.Generator().manual_seed(seed)
    keep = torch.rand((frames, *reference.shape[1:]), generator=coin) < 0.5
    return mixed(reference, keep.to(reference.device))
