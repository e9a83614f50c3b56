"""What the nodes insist on, each with one sentence."""

from __future__ import annotations

import comfy.supported_models

from ..sk_attention.generations import GENERATIONS


def require_sd15(model) -> None:
    """Raise ValueError unless the MODEL is a plain SD1.5 UNet."""
    config = getattr(model.model, "model_config", None)
    if not isinstance(config, comfy.supported_models.SD15):
        raise ValueError(f"HelloMeme works on SD1.5; this MODEL is {type(config).__name__}. Load an SD1.5 checkpoint.")
    channels = config.unet_config.get("in_channels", 4)
    if channels != 4:
        raise ValueError(f"This SD1.5 MODEL takes {channels} input channels (inpainting); HelloMeme needs the plain one with 4.")


def require_frames(what: str, frames: int, other: str, needed: int) -> None:
    """Raise ValueError unless both have as many frames."""
    if frames != needed:
        raise ValueError(f"The {what} has {frames} frames and the {other} has {needed}: they must be equal.")


def require_pair(adapter, drive) -> None:
    """Raise ValueError unless a reference adapter and a drive share a generation; the sentence says which pairs do."""
    if not set(adapter.generations) & set(drive.generations):
        pairs = "; ".join(
            f"{row.name}: {row.reference} with {' or '.join(dict.fromkeys((row.coefficients_drive, row.motion_drive)))}"
            + (f" + {row.projection}" if row.projection else "")
            for row in GENERATIONS.values()
        )
        raise ValueError(
            f"A {' or '.join(adapter.generations)} reference and a {' or '.join(drive.generations)} drive do not belong together. "
            f"Pairs: {pairs}."
        )
