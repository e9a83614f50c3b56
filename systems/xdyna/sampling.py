"""X-Dyna's schedule and its start: DDIM over linear betas from t = 961 down, from frames that already hold a hint of the reference."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ...errors import SettingError

TRAINED_STEPS = 1000
BETAS = (
    0.00085,
    0.012,
)  # linear in diffusers' sense, as AnimateDiff v1 was trained; ComfyUI calls it sqrt_linear
KERNEL, SIGMA = 9, 18.0  # of the blur, in cells


def timesteps(steps: int) -> Tensor:
    """(steps,) int64, falling to 1: "leading" spacing with offset 1. Raises SettingError outside 1..1000."""
    if not 1 <= steps <= TRAINED_STEPS:
        raise SettingError(f"X-Dyna's schedule has 1 to {TRAINED_STEPS} steps, not {steps}.", "steps", steps)
    return torch.arange(steps).flip(0) * (TRAINED_STEPS // steps) + 1


def alphas_cumprod() -> Tensor:
    """(1000,) float32: the share of the picture in the variance at each timestep."""
    return torch.cumprod(1 - torch.linspace(*BETAS, TRAINED_STEPS), 0)


def sigmas(steps: int) -> Tensor:
    """(steps + 1,) noise levels of `timesteps`, then 0: Euler's steps over them are DDIM's."""
    alphas = alphas_cumprod()[timesteps(steps)]
    return torch.cat([((1 - alphas) / alphas).sqrt(), torch.zeros(1)])


def blur(latent: Tensor) -> Tensor:
    """(B, 4, h, w) -> the same through a 9 x 9 Gaussian; at the border the picture is mirrored. Sides of at least 5 cells."""
    x = torch.linspace(-(KERNEL // 2), KERNEL // 2, KERNEL)
    kernel = torch.exp(-0.5 * (x / SIGMA) ** 2)
    kernel = (kernel / kernel.sum()).to(latent)
    channels = latent.shape[1]
    weight = torch.outer(kernel, kernel).expand(channels, 1, KERNEL, KERNEL)
    return F.conv2d(F.pad(latent, [KERNEL // 2] * 4, mode="reflect"), weight, groups=channels)


def mixed(reference: Tensor, keep: Tensor) -> Tensor:
    """Reference (1, 4, h, w) where keep (F, 4, h, w) is true, its blur elsewhere -> (F, 4, h, w)."""
    return torch.where(keep.bool(), reference, blur(reference))


def blurred_start(reference: Tensor, frames: int, seed: int) -> Tensor:
    """The published start latents (F, 4, h, w), before noise: at each number a coin decides between the reference and its blur."""
    coin = torch.Generator().manual_seed(seed)
    keep = torch.rand((frames, *reference.shape[1:]), generator=coin) < 0.5
    return mixed(reference, keep.to(reference.device))
