"""Adds motion modules to a clone of the MODEL."""

from __future__ import annotations

from comfy.model_management import get_free_memory
from comfy.model_patcher import ModelPatcher

from ...sk_attention.motion import KeyFrames, MotionPatch
from ...sk_attention.published_files import ANIMATEDIFF
from ...unet.hosts import comfy_hooks as unet_comfy
from ...unet.hosts import comfy_injection
from ...unet.hosts.comfy_injection import TemporalPatch
from ...unet.patches import MOTION, WeightedPatch
from .networks import Network


def motion(
    model: ModelPatcher,
    network: Network,
    strength: float = 1.0,
    percent_range: tuple[float, float] | None = None,
    key_frames: KeyFrames | None = None,
) -> None:
    """Add a motion network to a freshly cloned MODEL.

    percent_range: (start, end) as 0..1 in which the modules act, None = always.
    """
    if network.loaded.part.kind == ANIMATEDIFF:
        comfy_injection.attach(
            model,
            WeightedPatch(TemporalPatch(network.module), strength, percent_range),
            [network.patcher],
            get_free_memory,
        )
    else:
        unet_comfy.bind(
            model,
            [WeightedPatch(MotionPatch(network.module, key_frames), strength, percent_range)],
            [network.patcher],
            get_free_memory,
        )


def moves(model: ModelPatcher) -> bool:
    """Whether motion modules are on this MODEL."""
    return any(weighted.patch.order == MOTION for weighted in unet_comfy.bound(model))
