"""DDIM inversion of a clip: its latents at every noise level, from clean to noise.

In the form x = z + sigma eps, DDIM is Euler's method: x' = x + (sigma' - sigma) eps(x / sqrt(1 + sigma^2),
t). Axis letters: K + 1 levels, F frames, h w latent pixels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ...errors import SKPortraitError
from ...unet.clip.run import SAME_SCHEDULE

LOWEST = 1e-4  # noise level that replaces 0; ComfyUI's FlipSigmas starts at the same one


@dataclass(eq=False)
class ScheduleError(SKPortraitError, ValueError):
    """The sampler uses other noise levels, or a longer text, than the inversion did.

    found, expected: noise levels or numbers of tokens.
    """

    found: tuple[float, ...]
    expected: tuple[float, ...] = ()


@dataclass(frozen=True, eq=False)
class Trajectory:
    """The inverted latents of a clip.

    sigmas:    (K + 1) rising noise levels
    timesteps: (K + 1,) timestep of the UNet call at each level
    latents:   (K + 1, F, 4, h, w)
    context:   (1, t, D) text of the prompt that the clip was inverted with
    anchor:    (K + 1, 1, 4, h, w) inverted reference, None = no reference
    """

    sigmas: tuple[float, ...]
    timesteps: tuple[float, ...]
    latents: Tensor
    context: Tensor
    anchor: Tensor | None = None

    @property
    def frames(self) -> int:
        return self.latents.shape[1]

    @property
    def steps(self) -> int:
        return len(self.sigmas) - 1

    def level(self, sigma: float) -> int:
        """Return the index of a noise level. Raises ScheduleError for a noise level that was not inverted."""
        nearest = min(range(len(self.sigmas)), key=lambda level: abs(self.sigmas[level] - sigma))
        if abs(self.sigmas[nearest] - sigma) > SAME_SCHEDULE * sigma:
            raise ScheduleError(
                f"The sampler asks at noise level {sigma:.4g}, and the clip was inverted at "
                f"{', '.join(f'{level:.4g}' for level in self.sigmas[1:])}: sample with the same SIGMAS, and with euler.",
                (sigma,),
                self.sigmas[1:],
            )
        return nearest

    def at(self, level: int, frames: list[int]) -> Tensor:
        """Return the latents (len(frames), 4, h, w) of a level in the UNet's own scale."""
        return in_unet_scale(self.latents[level, frames], self.sigmas[level])

    def anchor_at(self, level: int) -> Tensor:
        """Return the reference (1, 4, h, w) at a level in the UNet's own scale."""
        assert self.anchor is not None, "inverted with a reference"
        return in_unet_scale(self.anchor[level], self.sigmas[level])


def in_unet_scale(x: Tensor, sigma: float) -> Tensor:
    return x / (1 + sigma**2) ** 0.5


def levels_of(sigmas: Tensor) -> tuple[float, ...]:
    """Return the rising noise levels of a denoising schedule.

    Raises ScheduleError if the schedule does not fall to 0.
    """
    levels = sigmas.flip(0).tolist()
    if len(levels) < 2 or levels[0] != 0 or any(a >= b for a, b in zip(levels, levels[1:])):
        raise ScheduleError(
            f"Sigmas to invert fall to 0, as for denoising; these are {', '.join(f'{s:.4g}' for s in sigmas.tolist())}.",
            tuple(sigmas.tolist()),
        )
    return (LOWEST, *levels[1:])


def climb(
    x: Tensor,
    sigmas: tuple[float, ...],
    timestep_sigmas: tuple[float, ...],
    denoise: Callable[[Tensor, float], Tensor],
    reached: Callable[[int], None],
) -> Tensor:
    """Invert clean latents x (F, 4, h, w) with Euler steps -> (K + 1, F, 4, h, w),
    one entry per rising noise level, on the CPU.

    timestep_sigmas: noise level of which the UNet gets the timestep, for each level
    denoise: (latents, noise level) -> the UNet's prediction of the clean latents, in the scale of that noise
      level; so the UNet gets x unchanged, and eps loses no digits at small sigmas
    reached: called with the index of a level before its step
    """
    path = [x.cpu()]
    for level, (sigma, above, passed) in enumerate(zip(sigmas, sigmas[1:], timestep_sigmas)):
        reached(level)
        scaled = in_unet_scale(x, sigma) * (1 + passed**2) ** 0.5
        x = x + (above - sigma) * (scaled - denoise(scaled, passed)) / passed
        path.append(x.cpu())
    return torch.stack(path)
