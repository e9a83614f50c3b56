"""Splits one sampling run over two samplers, as ComfyUI's nodes do; the result must equal that of one run."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from .compare import relative_error
from .tiny_models import prompt

AFTER_ALL = 10_000  # a step beyond the last one, as in KSampler (Advanced) by default
Half = Callable[[Tensor, Tensor, Tensor], Tensor]  # noise, latent, part of the sigmas -> latent


def ksampler_advanced(model, noise: Tensor, latent: Tensor, sigmas: Tensor, at: int, cfg: float) -> Tensor:
    """Run KSampler (Advanced) twice.

    sigmas: those of the `normal` scheduler, which the node computes again.
    """
    import comfy.sample

    def half(noise: Tensor, latent: Tensor, first: int, last: int) -> Tensor:
        return comfy.sample.sample(
            model, noise, len(sigmas) - 1, cfg, "euler", "normal", prompt("+"), prompt("-"), latent,
            start_step=first, last_step=last, force_full_denoise=False, disable_pbar=True, seed=1,
        )  # fmt: skip

    return half(torch.zeros_like(noise), half(noise, latent, 0, at), at, AFTER_ALL)


def sampler_custom(model, noise: Tensor, latent: Tensor, sigmas: Tensor, at: int, cfg: float) -> Tensor:
    """Use Split Sigmas, and one SamplerCustom per part."""
    return in_halves(lambda *half: whole(model, *half, cfg), noise, latent, sigmas, at)


def sampler_custom_advanced(
    model, noise: Tensor, latent: Tensor, sigmas: Tensor, at: int, cfg: float
) -> Tensor:
    """Use Split Sigmas, and one SamplerCustomAdvanced with its own guider per part."""
    import comfy.samplers

    def half(noise: Tensor, latent: Tensor, part: Tensor) -> Tensor:
        guider = comfy.samplers.CFGGuider(model)
        guider.set_conds(prompt("+"), prompt("-"))
        guider.set_cfg(cfg)
        euler = comfy.samplers.sampler_object("euler")
        return guider.sample(noise, latent, euler, part, disable_pbar=True, seed=1)

    return in_halves(half, noise, latent, sigmas, at)


def in_halves(half: Half, noise: Tensor, latent: Tensor, sigmas: Tensor, at: int) -> Tensor:
    """Run two halves; the second starts from the result of the first, without new noise."""
    return half(torch.zeros_like(noise), half(noise, latent, sigmas[: at + 1]), sigmas[at:])


def whole(model, noise: Tensor, latent: Tensor, sigmas: Tensor, cfg: float) -> Tensor:
    """Run one SamplerCustom with Euler."""
    import comfy.sample
    import comfy.samplers

    euler = comfy.samplers.sampler_object("euler")
    return comfy.sample.sample_custom(
        model, noise, cfg, euler, sigmas, prompt("+"), prompt("-"), latent, disable_pbar=True, seed=1
    )


WAYS = {
    "KSampler (Advanced)": ksampler_advanced,
    "SamplerCustom": sampler_custom,
    "SamplerCustomAdvanced": sampler_custom_advanced,
}


def split_errors(
    model, noise: Tensor, latent: Tensor | None = None, steps: int = 4, at: int = 2, cfg: float = 2.0
) -> dict[str, float]:
    """Return {way of splitting the `normal` schedule: largest difference from one run, over its maximum}."""
    import comfy.samplers

    sigmas = comfy.samplers.calculate_sigmas(model.get_model_object("model_sampling"), "normal", steps)
    latent = torch.zeros_like(noise) if latent is None else latent
    single = whole(model, noise, latent, sigmas, cfg)
    halves = {name: split(model, noise, latent, sigmas, at, cfg) for name, split in WAYS.items()}
    return {name: relative_error(both, single) for name, both in halves.items()}
