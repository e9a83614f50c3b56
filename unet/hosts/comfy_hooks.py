"""Binds patches to the public hooks of ComfyUI's UNet.

Only unet/hosts/comfy_*.py know ComfyUI's block numbers.

Imports nothing from ComfyUI: patchers and models are arguments.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from ..clip.fit import size_of
from ..clip.frames import COND, rows_of
from ..clip.run import NOISE_LEVEL, publish_run
from ..clip.windows import publish_window
from ..feature_cache import TargetDevice
from ..patches import Call, PatchSet, WeightedPatch
from .extra_items import frames_of, items_seen, on_frames

# ComfyUI's block number -> block boundary: after input block i, before output block i. Nothing lies
# between the middle block and output block 0, so both boundaries share one hook (only newer
# versions have a hook after the middle block).
INPUT_BLOCKS = {3: "down_0", 6: "down_1", 9: "down_2", 11: "down_3"}
OUTPUT_BLOCKS = {0: ("mid", "up_0"), 3: ("up_1",), 6: ("up_2",), 9: ("up_3",)}

KEY = "sk_portrait"
ON_CLEANUP = "on_cleanup"  # CallbacksMP.ON_CLEANUP: end of a sampling run
FreeMemory = Callable[[torch.device], float]  # ComfyUI's memory manager: free bytes on a device


def unlimited(device: torch.device) -> float:
    """Default memory function without a memory manager: reports infinite
    free memory, so all features stay on the device.
    """
    return math.inf


class Hook:
    """One entry of ComfyUI's patch lists: calls `method` of its binding.

    Cloning a MODEL does not copy it. `models` lists the ModelPatchers of the adapters.
    """

    def __init__(self, binding: "Binding", method: Callable):
        self.binding, self.method = binding, method

    def __call__(self, *args):
        return self.method(self.binding, *args)

    def __deepcopy__(self, memo) -> "Hook":
        return (
            self  # old versions deep-copy model_options at every clone; tensors and caches must not be copied
        )

    def to(self, device) -> "Hook":
        return self  # ModelPatchers move the weights, the feature cache moves the features

    def models(self) -> list:
        """ModelPatchers that ComfyUI loads, offloads and counts together with the MODEL."""
        return self.binding.patchers


class Binding:
    """Runs the patches of one MODEL in ComfyUI's hooks."""

    def __init__(
        self,
        patches: Iterable[WeightedPatch],
        patchers: Iterable[Any] = (),
        free_memory: FreeMemory = unlimited,
    ):
        self.patch_set = PatchSet(patches)
        self.patchers = list(patchers)
        self.free_memory = free_memory

    def hooks(self) -> dict[str, Hook]:
        """{name of ComfyUI's patch list: the hook to add to it}."""
        return {
            "emb_patch": Hook(self, Binding.begin),
            "input_block_patch": Hook(self, Binding.input_block),
            "input_block_patch_after_skip": Hook(self, Binding.input_block_after_skip),
            "output_block_patch": Hook(self, Binding.output_block),
        }

    def target(self, model: Any, x: Tensor) -> TargetDevice:
        """Target device and dtype for a batch x of ComfyUI's BaseModel.

        The free VRAM excludes the memory that this UNet call needs.
        """
        free_vram = lambda: self.free_memory(x.device) - model.memory_required(list(x.shape))  # noqa: E731
        return TargetDevice(x.device, _inference_dtype(model), free_vram)

    def prepare(
        self,
        options: Mapping[str, Any],
        batch: int,
        target: TargetDevice,
        shown: tuple[int, int] | None = None,
    ) -> Call:
        """Prepare a UNet call from its transformer_options.

        batch: number of items; shown: (height, width) of its latent, if known.
        """
        return self.patch_set.prepare(rows_of(options, batch, shown), target, options)

    def begin(self, emb: Tensor, model_channels: int, options: dict) -> Tensor:
        call, emb_of_frames = options.get(KEY), frames_of(emb, options)
        if call is None:  # the UNet is called directly, without the wrappers
            call = self.prepare(options, emb_of_frames.shape[0], TargetDevice(emb.device, emb.dtype))
        options[KEY] = Call(call.chunk, call.acting, emb_of_frames)
        return emb

    def input_block(self, h: Tensor, options: dict) -> Tensor:
        boundary = INPUT_BLOCKS.get(options["block"][1])
        return on_frames(partial(options[KEY].before_skip, boundary), h, options) if boundary else h

    def input_block_after_skip(self, h: Tensor, options: dict) -> Tensor:
        boundary = INPUT_BLOCKS.get(options["block"][1])
        return on_frames(partial(options[KEY].after_skip, boundary), h, options) if boundary else h

    def output_block(self, h: Tensor, skip: Tensor, options: dict) -> tuple[Tensor, Tensor]:
        for boundary in OUTPUT_BLOCKS.get(options["block"][1], ()):
            h = on_frames(partial(options[KEY].all, boundary), h, options)
        return h, skip


def reserve_memory(executor: Callable, model: Any, noise_shape: Sequence[int], *args, **kwargs) -> Any:
    """PREPARE_SAMPLING wrapper: reserve memory for one window and its extra items instead of the whole batch.

    The context handler may have been set by another node.
    """
    options = kwargs["model_options"]
    handler = options.get("context_handler")
    frames = min(noise_shape[0], handler.context_length) if handler else noise_shape[0]
    return executor(
        model, [items_seen(options["transformer_options"], frames), *noise_shape[1:]], *args, **kwargs
    )


def read_noise_level(
    executor: Callable, x: Tensor, timestep: Tensor, model_options: dict, *args, **kwargs
) -> Tensor:
    """PREDICT_NOISE wrapper: read the noise level once per step.

    It is read only if a patch has a percent range or strengths per step,
    because reading it causes a GPU synchronisation.
    """
    options = model_options.get("transformer_options", {})
    if (binding := _binding(options)) and binding.patch_set.follow_noise:
        model_options = model_options | {
            "transformer_options": options | {NOISE_LEVEL: float(timestep.max())}
        }
    return executor(x, timestep, model_options, *args, **kwargs)


def prepare_call(
    executor: Callable,
    x: Tensor,
    t: Tensor,
    c_concat,
    c_crossattn,
    control,
    transformer_options: dict,
    **kwargs,
) -> Tensor:
    """APPLY_MODEL wrapper: prepare the call outside the UNet, which may be compiled.

    The call is passed as a separate argument. TorchCompileModel drops the guards on transformer_options, so
    the compiled UNet would keep using the values read there at compile time.
    """
    if binding := _binding(transformer_options):
        kwargs[KEY] = binding.prepare(
            transformer_options, x.shape[0], binding.target(executor.class_obj, x), size_of(x)
        )
    return executor(x, t, c_concat, c_crossattn, control, transformer_options, **kwargs)


def pass_call(
    executor: Callable, x: Tensor, timesteps, context, y, control, transformer_options: dict, **kwargs
) -> Tensor:
    """DIFFUSION_MODEL wrapper, inside the compiled UNet: pass the prepared call to the hooks."""
    transformer_options[KEY] = kwargs.pop(KEY, None)
    return executor(x, timesteps, context, y, control, transformer_options, **kwargs)


# Keys are ComfyUI's names (WrappersMP): before a run, a run, a step, its
# call for all conditions, a UNet call, the UNet.
WRAPPERS = {
    "prepare_sampling": reserve_memory,
    "sampler_sample": publish_run,
    "predict_noise": read_noise_level,
    "calc_cond_batch": publish_window,
    "apply_model": prepare_call,
    "diffusion_model": pass_call,
}


def _inference_dtype(model: Any) -> torch.dtype:
    if hasattr(model, "get_dtype_inference"):
        return model.get_dtype_inference()
    return model.manual_cast_dtype or model.get_dtype()


def _binding(options: Mapping[str, Any]) -> Binding | None:
    return next(
        (p.binding for p in options.get("patches", {}).get("emb_patch", ()) if isinstance(p, Hook)), None
    )


def bound(patcher: Any) -> tuple[WeightedPatch, ...]:
    """Return the patches that earlier nodes bound to this MODEL."""
    binding = _binding(patcher.model_options["transformer_options"])
    return binding.patch_set.patches if binding else ()


def release(patcher: Any) -> None:
    """Free what the patches of this MODEL kept for a sampling run."""
    if binding := _binding(patcher.model_options["transformer_options"]):
        binding.patch_set.release()


def register_wrappers(patcher: Any) -> None:
    """Register the wrappers on a freshly cloned MODEL.

    They publish run, window and call for our patches, and the window for other packs.
    """
    for kind, wrapper in WRAPPERS.items():
        patcher.remove_wrappers_with_key(kind, KEY)
        patcher.add_wrapper_with_key(kind, KEY, wrapper)


def bind(
    patcher: Any,
    patches: Iterable[WeightedPatch],
    patchers: Iterable[Any] = (),
    free_memory: FreeMemory = unlimited,
) -> None:
    """Add patches to a freshly cloned MODEL, merged with those of
    earlier nodes; the original MODEL keeps its own.

    patchers:    ModelPatchers of the adapters, loaded together with the MODEL
    free_memory: called once per run, to decide whether the features fit on the device
    """
    old = _binding(patcher.model_options["transformer_options"])
    new = Binding((*bound(patcher), *patches), [*(old.patchers if old else ()), *patchers], free_memory)
    register_wrappers(patcher)
    if not old:
        patcher.add_callback_with_key(ON_CLEANUP, KEY, release)
    for name, hook in new.hooks().items():
        if not old:
            patcher.set_model_patch(hook, name)
            continue
        lists = patcher.model_options["transformer_options"]["patches"]
        lists[name] = [hook if isinstance(p, Hook) and p.binding is old else p for p in lists[name]]


@torch.no_grad()
def plain_pass(
    model: Any, latents: Tensor, context: Tensor, patches: Iterable[WeightedPatch], side: int = COND
) -> None:
    """Reference pass: one forward of ComfyUI's loaded BaseModel at
    timestep 0 over clean latents (paper, section 3.2).

    latents: (N, 4, h, w) in the UNet's own scale; context: (1 or N, t, D) text embedding; side: COND or
    UNCOND. Weight patches such as LoRAs apply, patches of other nodes do not.
    """
    dtype = _inference_dtype(model)
    options = {
        "patches": {name: [hook] for name, hook in Binding(patches).hooks().items()},
        "cond_or_uncond": [side],
    }
    model.diffusion_model(
        latents.to(dtype),
        torch.zeros(len(latents), device=latents.device),
        context=context.to(latents.device, dtype).expand(len(latents), -1, -1),
        transformer_options=options,
    )
