"""The objects that all sections share: the scale, the models, and a plain sampling run."""

from __future__ import annotations

from functools import cached_property

import torch
from torch import Tensor

from .measure import cuda
from .scale import Scale


class Bench:
    """scale: sizes of all networks and clips; dtype: of the networks, half precision on a GPU."""

    def __init__(self, scale: Scale):
        self.scale = scale
        self.dtype = torch.float16 if cuda() else torch.float32

    @cached_property
    def models(self):
        """The MODEL and its networks, created at first use."""
        from .models import Models

        return Models(self.scale, self.dtype)

    def guider(self, model, cfg: float):
        """Return a GUIDER for a MODEL."""
        import comfy.samplers

        guider = comfy.samplers.CFGGuider(model)
        guider.set_conds(self.models.prompt("+"), self.models.prompt("-"))
        guider.set_cfg(cfg)
        return guider

    def sigmas(self, steps: int) -> Tensor:
        """Return the sigmas of the `normal` schedule."""
        import comfy.samplers

        sampling = self.models.model.get_model_object("model_sampling")
        return comfy.samplers.calculate_sigmas(sampling, "normal", steps)

    def sample(self, model, noise: Tensor, steps: int, cfg: float) -> Tensor:
        """Sample from an empty latent batch with a guider and Euler."""
        import comfy.samplers

        euler = comfy.samplers.sampler_object("euler")
        guider, empty = self.guider(model, cfg), torch.zeros_like(noise)
        return guider.sample(noise, empty, euler, self.sigmas(steps), disable_pbar=True, seed=1)
