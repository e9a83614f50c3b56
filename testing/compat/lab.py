"""A tiny SD1.5 MODEL in ComfyUI with a clip under Animate Portrait, sampled by ComfyUI."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import comfy.samplers
import pytest
import torch
from torch import Tensor

from ...unet.hosts import comfy_hooks as unet_comfy
from ..tiny_models import drive, normal, prompt
from ..tiny_motion import MovingHost

# Frames of the clip; side of its latents, the smallest that the UNet can halve three times.
FRAMES, CELLS = 5, 8
WINDOW, OVERLAP = 3, 1
PIXELS = 8 * CELLS
EXTRAS = "comfy_extras."
TOLERANCE = (
    # Of the largest value; batches of other sizes differ in the last
    # bits, and a sampler accumulates the differences.
    1e-4
)
SIDE, WIDE_FRAMES = 2 * CELLS, 2  # for pictures with areas: side of the latents, and few frames for speed
WIDE_NOISE = normal("wide noise", WIDE_FRAMES, 4, SIDE, SIDE)


@dataclass
class Scene:
    """The inputs of one sampling run. A combination changes them in place."""

    model: Any
    noise: Tensor
    positive: list
    negative: list
    mask: Tensor | None = None  # noise mask of the latent
    cfg: float = 2.0
    steps: int = 2
    sampler: str = "euler"
    guider: Callable[[Scene], Any] | None = None  # None = CFG Guider
    latent: Tensor | None = None  # None = empty

    def latents(self) -> Tensor:
        """Return the start latents."""
        return torch.zeros_like(self.noise) if self.latent is None else self.latent

    def sigmas(self) -> Tensor:
        """Return the noise levels of the steps."""
        return comfy.samplers.calculate_sigmas(
            self.model.get_model_object("model_sampling"), "normal", self.steps
        )

    def samples(self) -> Tensor:
        """Sample with ComfyUI and return the result."""
        guider = (self.guider or cfg_guider)(self)
        return guider.sample(
            self.noise,
            self.latents(),
            comfy.samplers.sampler_object(self.sampler),
            self.sigmas(),
            denoise_mask=self.mask,
            disable_pbar=True,
            seed=1,
        )


# Adds patches of another node to a scene with these frames of the clip.
Wear = Callable[["Lab", Scene, Sequence[int]], None]


def cfg_guider(scene: Scene):
    guider = comfy.samplers.CFGGuider(scene.model)
    guider.set_conds(scene.positive, scene.negative)
    guider.set_cfg(scene.cfg)
    return guider


def call(module: str, node: str, *inputs, **named):
    """Return the first output of one of ComfyUI's nodes, with either schema."""
    cls = getattr(importlib.import_module(module), node)
    return (cls.execute if hasattr(cls, "execute") else getattr(cls(), cls.FUNCTION))(*inputs, **named)[0]


def torch_compiled(model, backend: str | Callable):
    """Return the MODEL as TorchCompileModel returns it, with any backend.

    Skips the test on a ComfyUI without that node.
    """
    try:
        from comfy_api.torch_helpers import set_torch_compile_wrapper
        from comfy_extras import nodes_torch_compile
    except ImportError:
        pytest.skip("this ComfyUI has no usable TorchCompileModel")
    compiled = model.clone()
    # Older versions of ComfyUI keep all guards.
    dropped = getattr(nodes_torch_compile, "skip_torch_compile_dict", None)
    set_torch_compile_wrapper(
        model=compiled, backend=backend, options={"guard_filter_fn": dropped} if dropped else None
    )
    return compiled


class Lab(MovingHost):
    """ComfyUI with a clip: a portrait, its drive, one noise per frame."""

    def __init__(self):
        super().__init__()
        self.portrait = self.reference("v2", CELLS)
        self.still = self.still_motion()
        self.noise = normal("noise", FRAMES, 4, CELLS, CELLS)
        self._wholes: dict[Wear | None, Tensor] = {}

    def clip(self, frames: Sequence[int], version: str = "v2"):
        """Return the drive of these frames."""
        whole = drive(FRAMES, version, CELLS)
        return replace(
            whole, features={boundary: feature[list(frames)] for boundary, feature in whole.features.items()}
        )

    def scene(
        self, wear: Wear | None = None, frames: Sequence[int] = range(FRAMES), windows: bool = False
    ) -> Scene:
        """Return a scene with frames of the clip under Animate Portrait.

        windows: use the windows of Apply HelloMeme Motion Module; wear: patches of another node.
        """
        model = self.apply(self.portrait, self.clip(frames))
        if windows:
            model = self.move(self.still, WINDOW, OVERLAP, model=model)
        scene = Scene(model, self.noise[list(frames)], prompt("+"), prompt("-"))
        if wear:
            wear(self, scene, frames)
        return scene

    def whole(self, wear: Wear | None = None) -> Tensor:
        """Return ComfyUI's result for all frames in one batch, cached."""
        if wear not in self._wholes:
            self._wholes[wear] = self.scene(wear).samples()
        return self._wholes[wear]

    def wide(self, reference: bool = True, mask: Tensor | None = None) -> Scene:
        """Return a scene with a few frames at twice the side under Animate Portrait."""
        portrait = self.reference("v2", SIDE) if reference else None
        model = self.apply(portrait, drive(WIDE_FRAMES, "v2", SIDE), mask=mask)
        return Scene(model, WIDE_NOISE, prompt("+"), prompt("-"))

    @contextmanager
    def apart(self) -> Iterator[None]:
        """Context manager: ComfyUI sees too little memory to sample two conditions together."""
        model = type(self.model.model)
        required = model.memory_required
        model.memory_required = lambda self, *args, **kwargs: 1 << 60
        try:
            yield
        finally:
            model.memory_required = required

    @contextmanager
    def swapped(self) -> Iterator[None]:
        """Context manager: ComfyUI batches the conditions of a step in the opposite order."""
        together = comfy.samplers.calc_cond_batch
        comfy.samplers.calc_cond_batch = lambda model, conds, *others: together(model, conds[::-1], *others)[
            ::-1
        ]
        try:
            yield
        finally:
            comfy.samplers.calc_cond_batch = together

    @contextmanager
    def by_number(self) -> Iterator[None]:
        """Context manager: our patches read the side of a condition from its number in the call, as in
        versions without the run's state.
        """
        wrapper = unet_comfy.WRAPPERS["sampler_sample"]
        unet_comfy.WRAPPERS["sampler_sample"] = lambda executor, *args: executor(*args)
        try:
            yield
        finally:
            unet_comfy.WRAPPERS["sampler_sample"] = wrapper


def sampled_by(lab: Lab, unet, wear: Wear | None = None, **settings) -> Tensor:
    """Sample with another MODEL, a portrait of its own, and another node's patches after Animate Portrait."""
    clip = lab.clip(range(len(lab.noise)))
    scene = Scene(
        lab.apply(lab.reference("v2", CELLS, unet), clip, unet),
        lab.noise,
        prompt("+"),
        prompt("-"),
        **settings,
    )
    if wear:
        wear(lab, scene, range(len(lab.noise)))
    return scene.samples()
