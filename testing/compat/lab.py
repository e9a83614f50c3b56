"""A tiny SD1.5 MODEL in ComfyUI with a clip under Apply, and how ComfyUI samples it."""

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

FRAMES, CELLS = 5, 8  # of the clip; the side of its latents, the least that the UNet can halve three times
WINDOW, OVERLAP = 3, 1
PIXELS = 8 * CELLS
EXTRAS = "comfy_extras."
TOLERANCE = (
    1e-4  # of the largest value; batches of other sizes differ in the last bits, and a sampler adds them up
)
SIDE, WIDE_FRAMES = 2 * CELLS, 2  # of a picture that has parts, of few frames to be quick
WIDE_NOISE = normal("wide noise", WIDE_FRAMES, 4, SIDE, SIDE)


@dataclass
class Scene:
    """What one sampling run is given. A combination changes it in place."""

    model: Any
    noise: Tensor
    positive: list
    negative: list
    mask: Tensor | None = None  # of the latent
    cfg: float = 2.0
    steps: int = 2
    sampler: str = "euler"
    guider: Callable[[Scene], Any] | None = None  # by default CFG Guider
    latent: Tensor | None = None  # by default empty

    def latents(self) -> Tensor:
        """What it starts from."""
        return torch.zeros_like(self.noise) if self.latent is None else self.latent

    def sigmas(self) -> Tensor:
        """The noise levels of its steps."""
        return comfy.samplers.calculate_sigmas(
            self.model.get_model_object("model_sampling"), "normal", self.steps
        )

    def samples(self) -> Tensor:
        """What ComfyUI makes of it."""
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


Wear = Callable[
    ["Lab", Scene, Sequence[int]], None
]  # puts something of others on a scene that holds these frames of the clip


def cfg_guider(scene: Scene):
    guider = comfy.samplers.CFGGuider(scene.model)
    guider.set_conds(scene.positive, scene.negative)
    guider.set_cfg(scene.cfg)
    return guider


def call(module: str, node: str, *inputs, **named):
    """First output of a host's node, as a class of either schema."""
    cls = getattr(importlib.import_module(module), node)
    return (cls.execute if hasattr(cls, "execute") else getattr(cls(), cls.FUNCTION))(*inputs, **named)[0]


def torch_compiled(model, backend: str | Callable):
    """The MODEL as TorchCompileModel gives it, with any backend. Skips the test on a ComfyUI without that node."""
    try:
        from comfy_api.torch_helpers import set_torch_compile_wrapper
        from comfy_extras import nodes_torch_compile
    except ImportError:
        pytest.skip("this ComfyUI has no usable TorchCompileModel")
    compiled = model.clone()
    dropped = getattr(
        nodes_torch_compile, "skip_torch_compile_dict", None
    )  # older versions of ComfyUI keep all guards
    set_torch_compile_wrapper(
        model=compiled, backend=backend, options={"guard_filter_fn": dropped} if dropped else None
    )
    return compiled


class Lab(MovingHost):
    """ComfyUI with a clip: a portrait, its drive, one noise a frame."""

    def __init__(self):
        super().__init__()
        self.portrait = self.reference("v2", CELLS)
        self.still = self.still_motion()
        self.noise = normal("noise", FRAMES, 4, CELLS, CELLS)
        self._wholes: dict[Wear | None, Tensor] = {}

    def clip(self, frames: Sequence[int], version: str = "v2"):
        """The drive of these frames."""
        whole = drive(FRAMES, version, CELLS)
        return replace(
            whole, features={boundary: feature[list(frames)] for boundary, feature in whole.features.items()}
        )

    def scene(
        self, wear: Wear | None = None, frames: Sequence[int] = range(FRAMES), windows: bool = False
    ) -> Scene:
        """Frames of the clip under Apply, in windows of our Apply Motion or all together, with something of others."""
        model = self.apply(self.portrait, self.clip(frames))
        if windows:
            model = self.move(self.still, WINDOW, OVERLAP, model=model)
        scene = Scene(model, self.noise[list(frames)], prompt("+"), prompt("-"))
        if wear:
            wear(self, scene, frames)
        return scene

    def whole(self, wear: Wear | None = None) -> Tensor:
        """What ComfyUI makes of all frames in one batch, made once."""
        if wear not in self._wholes:
            self._wholes[wear] = self.scene(wear).samples()
        return self._wholes[wear]

    def wide(self, reference: bool = True, mask: Tensor | None = None) -> Scene:
        """A few frames at twice the side under Apply."""
        portrait = self.reference("v2", SIDE) if reference else None
        model = self.apply(portrait, drive(WIDE_FRAMES, "v2", SIDE), mask=mask)
        return Scene(model, WIDE_NOISE, prompt("+"), prompt("-"))

    @contextmanager
    def apart(self) -> Iterator[None]:
        """While open, ComfyUI sees no memory to sample two conditions together."""
        model = type(self.model.model)
        required = model.memory_required
        model.memory_required = lambda self, *args, **kwargs: 1 << 60
        try:
            yield
        finally:
            model.memory_required = required

    @contextmanager
    def swapped(self) -> Iterator[None]:
        """While open, ComfyUI puts the conditions of a step into the batch in the other order."""
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
        """While open, our patches take the side of a condition from its number in the call, as before they knew the run."""
        wrapper = unet_comfy.WRAPPERS["sampler_sample"]
        unet_comfy.WRAPPERS["sampler_sample"] = lambda executor, *args: executor(*args)
        try:
            yield
        finally:
            unet_comfy.WRAPPERS["sampler_sample"] = wrapper


def sampled_by(lab: Lab, unet, wear: Wear | None = None, **settings) -> Tensor:
    """The clip sampled by another MODEL, with a portrait that it encoded itself, and something of others after Apply."""
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
