"""The MODEL that is measured, with the pack's nodes applied.

The weights are deterministic random numbers: time and memory do not
depend on them, and nothing has to be downloaded.
"""

from __future__ import annotations

from functools import cache

import comfy.model_management
import torch
from torch import Tensor

from ...nodes.hellomeme import attach
from ...nodes.hellomeme.apply import Apply
from ...nodes.hellomeme.encode import EncodeReference
from ...nodes.hellomeme.networks import Network, join, managed
from ...sk_attention.drive import Drive
from ...sk_attention.published_files import ANIMATEDIFF, DRIVE, MOTION, PROJECTION, REFERENCE
from ...sk_attention.versions import VERSIONS
from ...testing.rule import draw
from ...testing.scaled_networks import FULL, network, unet
from ...unet.clip.frames import COND, UNCOND
from ..cost.overhead import CELLS, DRIVEN, WIDTHS
from .scale import Scale

EVERYWHERE = tuple(boundary for boundary in WIDTHS if boundary != "mid")
SIGMA = 7.0  # a noise level in the middle of the sampling


def numbers(name: str, *shape: int) -> Tensor:
    """Return standard normal numbers that depend only on the name and the shape."""
    return torch.from_numpy(draw("bench gpu", name, shape))


class Models:
    """SD1.5's UNet as a MODEL and the networks of every version for it, created at first use and kept."""

    def __init__(self, scale: Scale, dtype: torch.dtype):
        self.scale, self.dtype = scale, dtype
        self.model = unet(scale.width, scale.text[1], dtype)
        comfy.model_management.load_models_gpu([self.model], force_full_load=True)
        self.network, self.reference, self.motions = map(
            cache, (self._network, self._reference, self._motions)
        )

    def _network(self, kind: str, version: str) -> Network:
        """Return a network in ComfyUI's memory management."""
        return managed(network(kind, version, self.scale.width, self.dtype))

    def _motions(self, version: str) -> tuple[Network, ...]:
        """Return the motion modules of a version."""
        row = VERSIONS[version]
        kinds = ((MOTION, row.motion), (ANIMATEDIFF, row.animatediff))
        return tuple(self.network(kind, version) for kind, published in kinds if published)

    def encoder(self, version: str) -> Network:
        """Return a drive encoder for coefficients and patches, with its projection if the version has one."""
        width, dtype = self.scale.width, torch.float32
        base = managed(network(DRIVE, version, width, dtype, "coefficients_drive"))
        if not VERSIONS[version].projection:
            return base
        return join(base, managed(network(PROJECTION, version, width, dtype)))

    def prompt(self, name: str) -> list:
        """Return a CONDITIONING."""
        return [[numbers(name, 1, *self.scale.text), {}]]

    def _reference(self, version: str):
        """Return an SK_REFERENCE of Encode Portrait Identity."""
        side = self.scale.side
        driven = {"drive": self.drive(version, 1)} if VERSIONS[version].driven_reference else {}
        wires = (self.prompt("+"), self.prompt("-"), {"samples": numbers("portrait", 1, 4, side, side)})
        return EncodeReference.execute(self.model, self.network(REFERENCE, version), *wires, **driven)[0]

    def drive(self, version: str, frames: int) -> Drive:
        """Return an SK_DRIVE of random features, on the device where Encode Performance keeps them."""
        keep = comfy.model_management.unet_offload_device()

        def features(count: int) -> dict[str, Tensor]:
            made = {}
            for boundary in DRIVEN.get(version, EVERYWHERE):
                side = self.scale.side // CELLS[boundary]
                shape = (WIDTHS[boundary] * self.scale.width // FULL, side, side)
                one = (numbers(boundary, 1, *shape) / 4).to(keep, torch.float16)  # as on a GPU
                made[boundary] = one.expand(count, *shape).contiguous()
            return made

        return Drive(features(frames), features(1), (version,))

    def applied(self, version: str, frames: int, moves: bool = False):
        """Return the MODEL with Animate Portrait. moves: also with the motion modules of the version."""
        wires = (self.reference(version), self.drive(version, frames))
        model = Apply.execute(self.model, 1.0, 1.0, 0.0, 1.0, *wires)[0]
        for motion in self.motions(version) if moves else ():
            attach.motion(model, motion)
        return model


class UNetCall:
    """One UNet call of a MODEL with a window of frames, as ComfyUI's samplers make it."""

    def __init__(self, model, scale: Scale, frames: int, guided: bool):
        self.model, self.sides = model, [UNCOND, COND] if guided else [COND]
        items, device = frames * len(self.sides), model.load_device
        self.x = numbers("x", items, 4, scale.side, scale.side).to(device) * SIGMA
        self.sigma = torch.full((items,), SIGMA, device=device)
        text = torch.cat(
            [numbers(name, 1, *scale.text).repeat(frames, 1, 1) for name in "-+"[-len(self.sides) :]]
        )
        self.text = text.to(device)

    def __enter__(self) -> UNetCall:
        comfy.model_management.load_models_gpu(
            [self.model, *self.model.model_patches_models()], force_full_load=True
        )
        self.model.pre_run()
        options = {"cond_or_uncond": self.sides, "sigmas": self.sigma[:1], "wrappers": self.model.wrappers}
        self.options = self.model.model_options["transformer_options"] | options
        return self

    def __call__(self) -> Tensor:
        options = dict(self.options)  # a copy, because a call changes it
        return self.model.model.apply_model(
            self.x, self.sigma, c_crossattn=self.text, transformer_options=options
        )

    def __exit__(self, *exception) -> None:
        self.model.cleanup()
