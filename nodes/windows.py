"""Adds context windows to a clone of the MODEL."""

from __future__ import annotations

from collections.abc import Callable

import comfy.model_management
from comfy.model_patcher import ModelPatcher
from comfy.patcher_extension import WrappersMP

from ..errors import SettingError
from ..unet.clip.windows import FrameWindows, Plan, Show
from ..unet.hosts.comfy_hooks import register_wrappers

KEY = "sk_portrait_windows"


def require_window(length: int, overlap: int, *motions) -> None:
    """Raise SettingError for a window longer than a motion module
    supports, or an overlap not shorter than the window.
    """
    for motion in motions:
        if length > motion.module.longest:
            raise SettingError(
                f"context length is {length}, and {motion.loaded.file} reaches {motion.module.longest} "
                "frames. Set a smaller context length.",
                "window_length",
                length,
            )
    if length and overlap >= length:
        raise SettingError(
            f"context overlap is {overlap} and context length {length}. Set a smaller overlap.",
            "overlap",
            overlap,
        )


def see_in_windows(
    model: ModelPatcher,
    plan: Callable[[int, Callable[[], int]], Plan],
    length: int,
    show: Show | None = None,
) -> None:
    """Let a freshly cloned MODEL process its batch in windows of at most `length` frames, and stop at
    Cancel between UNet calls.

    show: see `FrameWindows`
    """
    model.model_options["context_handler"] = FrameWindows(plan, length, show)
    register_wrappers(model)
    model.remove_wrappers_with_key(WrappersMP.APPLY_MODEL, KEY)
    model.add_wrapper_with_key(WrappersMP.APPLY_MODEL, KEY, _stop_at_cancel)


def _stop_at_cancel(executor, *args, **kwargs):
    comfy.model_management.throw_exception_if_processing_interrupted()
    return executor(*args, **kwargs)
