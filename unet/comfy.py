"""Binds the stations to the public hooks of ComfyUI's UNet. The only file that knows the host's block numbers.

Nothing of the host is imported: patchers and models come in as arguments.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor

from .extra_rows import frames_of, on_frames
from .frames import COND, rows_of
from .run import note_run, run_of
from .stations import Call, Stations, Weighted
from .windows import tell_window

# Block id of the host -> station: after input block i, before output block i. Nothing lies between the middle block and output
# block 0, so both stations there share its hook (a hook after the middle block exists on newer hosts only).
INPUT_BLOCKS = {3: "down_0", 6: "down_1", 9: "down_2", 11: "down_3"}
OUTPUT_BLOCKS = {0: ("mid", "up_0"), 3: ("up_1",), 6: ("up_2",), 9: ("up_3",)}

KEY = "sk_portrait"
ON_CLEANUP = "on_cleanup"  # the host's name for the end of a sampling run (CallbacksMP.ON_CLEANUP)
WRAPPERS = {"sampler_sample": note_run, "calc_cond_batch": tell_window}  # by the host's names (WrappersMP)


class Hook:
    """One patch of the host: calls `method` of its binding. Never copied, and brings the adapters' ModelPatchers along."""

    def __init__(self, binding: "Binding", method: Callable):
        self.binding, self.method = binding, method

    def __call__(self, *args):
        return self.method(self.binding, *args)

    def __deepcopy__(self, memo) -> "Hook":
        return self  # the host deep-copies model_options at every clone; tensors and caches must not follow

    def to(self, device) -> "Hook":
        return self  # weights are moved by their ModelPatchers, features are fetched where they are used

    def models(self) -> list:
        """ModelPatchers that the host loads, offloads and counts together with the MODEL."""
        return self.binding.patchers


class Binding:
    """The stations of one patched MODEL as hooks of the host."""

    def __init__(self, actions: Iterable[Weighted], patchers: Iterable[Any] = ()):
        self.stations = Stations(actions)
        self.patchers = list(patchers)

    def hooks(self) -> dict[str, Hook]:
        """The host's patch list -> the hook to put into it."""
        return {
            "emb_patch": Hook(self, Binding.begin),
            "input_block_patch": Hook(self, Binding.input_block),
            "input_block_patch_after_skip": Hook(self, Binding.input_block_after_skip),
            "output_block_patch": Hook(self, Binding.output_block),
        }

    def begin(self, emb: Tensor, model_channels: int, options: dict) -> Tensor:
        options[KEY] = call_of(options, emb)
        return emb

    def input_block(self, h: Tensor, options: dict) -> Tensor:
        station = INPUT_BLOCKS.get(options["block"][1])
        return on_frames(partial(self.stations.before_skip, station, call=options[KEY]), h, options) if station else h

    def input_block_after_skip(self, h: Tensor, options: dict) -> Tensor:
        station = INPUT_BLOCKS.get(options["block"][1])
        return on_frames(partial(self.stations.after_skip, station, call=options[KEY]), h, options) if station else h

    def output_block(self, h: Tensor, skip: Tensor, options: dict) -> tuple[Tensor, Tensor]:
        for station in OUTPUT_BLOCKS.get(options["block"][1], ()):
            h = on_frames(partial(self.stations.all, station, call=options[KEY]), h, options)
        return h, skip


def call_of(options: Mapping[str, Any], emb: Tensor) -> Call:
    """The UNet call that the host describes in its transformer_options, its extra rows left out; emb (B, E) is its time embedding."""
    emb, sigmas = frames_of(emb, options), options.get("sigmas")
    return Call(rows_of(options, emb.shape[0]), emb, None if sigmas is None else float(sigmas.max()), run_of(options))


def _binding(patcher: Any) -> Binding | None:
    patches = patcher.model_options["transformer_options"].get("patches", {})
    return next((p.binding for p in patches.get("emb_patch", ()) if isinstance(p, Hook)), None)


def bound(patcher: Any) -> tuple[Weighted, ...]:
    """The actions that earlier nodes bound to this MODEL."""
    binding = _binding(patcher)
    return binding.stations.actions if binding else ()


def release(patcher: Any) -> None:
    """End of a sampling run of this MODEL: drop what its actions kept for it."""
    if binding := _binding(patcher):
        binding.stations.release()


def take_part(patcher: Any) -> None:
    """Let the patches of a freshly cloned MODEL know the run and the window that they act in, and tell others the window."""
    for kind, wrapper in WRAPPERS.items():
        patcher.remove_wrappers_with_key(kind, KEY)
        patcher.add_wrapper_with_key(kind, KEY, wrapper)


def bind(patcher: Any, actions: Iterable[Weighted], patchers: Iterable[Any] = ()) -> None:
    """Add actions to a freshly cloned MODEL, merged with those that earlier nodes bound; the MODEL cloned from keeps its own.

    patchers: ModelPatchers of the adapters, to be loaded with the MODEL.
    """
    old = _binding(patcher)
    new = Binding((*bound(patcher), *actions), [*(old.patchers if old else ()), *patchers])
    take_part(patcher)
    if not old:
        patcher.add_callback_with_key(ON_CLEANUP, KEY, release)
    for name, hook in new.hooks().items():
        if not old:
            patcher.set_model_patch(hook, name)
            continue
        patches = patcher.model_options["transformer_options"]["patches"]
        patches[name] = [hook if isinstance(p, Hook) and p.binding is old else p for p in patches[name]]


@torch.no_grad()
def plain_pass(model: Any, latents: Tensor, context: Tensor, actions: Iterable[Weighted], branch: int = COND) -> None:
    """One forward of the host's loaded BaseModel at timestep 0 over clean latents, for what the actions capture (section 3.2).

    latents: (N, 4, h, w) in the UNet's own scale; context: (1 or N, t, D) text embedding; weight patches such as LoRAs are in
    force, patches of other nodes are not: the reference is what the plain UNet sees.
    """
    dtype = model.get_dtype_inference() if hasattr(model, "get_dtype_inference") else model.manual_cast_dtype or model.get_dtype()
    options = {"patches": {name: [hook] for name, hook in Binding(actions).hooks().items()}, "cond_or_uncond": [branch]}
    model.diffusion_model(
        latents.to(dtype),
        torch.zeros(len(latents), device=latents.device),
        context=context.to(latents.device, dtype).expand(len(latents), -1, -1),
        transformer_options=options,
    )
