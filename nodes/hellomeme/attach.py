"""What the motion nodes put on a clone of the MODEL: motion modules and windows."""

from __future__ import annotations

from collections.abc import Callable

import comfy.model_management
from comfy.model_patcher import ModelPatcher
from comfy.patcher_extension import WrappersMP

from ...sk_attention.motion import KeyFrames, MotionAction
from ...sk_attention.parts import ANIMATEDIFF
from ...unet import comfy as unet_comfy
from ...unet import inject_comfy
from ...unet.inject_comfy import TemporalAction
from ...unet.stations import MOTION, Weighted
from ...unet.windows import FrameWindows, Plan
from .networks import Network

KEY = "sk_portrait_windows"
CONTEXT_HANDLER = "context_handler"  # the host's place for the handler of a MODEL


def motion(
    model: ModelPatcher,
    network: Network,
    strength: float = 1.0,
    span: tuple[float, float] | None = None,
    key_frames: KeyFrames | None = None,
) -> None:
    """Let a freshly cloned MODEL move. span: part of the sampling in which the modules act, None = all of it."""
    if network.loaded.part.kind == ANIMATEDIFF:
        inject_comfy.attach(model, Weighted(TemporalAction(network.module), strength, span), [network.patcher])
    else:
        unet_comfy.bind(model, [Weighted(MotionAction(network.module, key_frames), strength, span)], [network.patcher])


def windows(model: ModelPatcher, plan: Callable[[int], Plan], length: int) -> None:
    """Let a freshly cloned MODEL see its batch in windows of at most `length` frames, and stop at Cancel between UNet calls."""
    model.model_options[CONTEXT_HANDLER] = FrameWindows(plan, length)
    unet_comfy.take_part(model)
    wrappers = {
        WrappersMP.PREPARE_SAMPLING: _memory_of_one_window,
        WrappersMP.APPLY_MODEL: _stop_at_cancel,
    }
    for kind, wrapper in wrappers.items():
        model.remove_wrappers_with_key(kind, KEY)
        model.add_wrapper_with_key(kind, KEY, wrapper)


def moves(model: ModelPatcher) -> bool:
    """Whether Apply Motion is on this MODEL."""
    return bool(model.get_injections(unet_comfy.KEY)) or any(w.action.order == MOTION for w in unet_comfy.bound(model))


def _memory_of_one_window(executor, model, noise_shape, *args, **kwargs):
    """The host estimates the memory of the whole batch; `handler` may be another node's by now."""
    if handler := kwargs["model_options"].get(CONTEXT_HANDLER):
        noise_shape = [min(noise_shape[0], handler.context_length), *noise_shape[1:]]
    return executor(model, noise_shape, *args, **kwargs)


def _stop_at_cancel(executor, *args, **kwargs):
    comfy.model_management.throw_exception_if_processing_interrupted()
    return executor(*args, **kwargs)
