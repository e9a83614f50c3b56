"""Input checks of the nodes."""

from __future__ import annotations

import comfy.supported_models

from ..sk_attention.versions import VERSIONS

LEAST = 8  # cells of a latent's side: the UNet halves it three times


def require_sd15(model) -> None:
    """Raise ValueError unless the MODEL is a plain SD1.5 UNet."""
    config = getattr(model.model, "model_config", None)
    if not isinstance(config, comfy.supported_models.SD15):
        raise ValueError(
            f"SK Portrait works on SD1.5; this MODEL is {type(config).__name__}. Load an SD1.5 checkpoint."
        )
    channels = config.unet_config.get("in_channels", 4)
    if channels != 4:
        raise ValueError(
            f"This SD1.5 MODEL takes {channels} input channels (inpainting); SK Portrait needs the plain one with 4."
        )


def require_latent(samples, what: str) -> None:
    """Raise ValueError unless a latent's samples are (frames, 4, h, w), finite, and large enough for SD1.5."""
    if samples.ndim != 4 or samples.shape[1] != 4 or 0 in samples.shape:
        raise ValueError(
            f"The {what} is {tuple(samples.shape)}, and a latent of SD1.5 is (frames, 4, height / 8, width / 8): "
            "encode it with the VAE of an SD1.5 checkpoint."
        )
    if min(samples.shape[-2:]) < LEAST:
        raise ValueError(
            f"The {what} is {samples.shape[-1]}x{samples.shape[-2]} cells and SD1.5's UNet needs {LEAST} a side: "
            f"take a picture of at least {LEAST * 8} px a side."
        )
    if not samples.isfinite().all():
        raise ValueError(
            f"The {what} holds values that are no numbers (NaN or infinite), and the result would be black. "
            "Start ComfyUI with --fp32-vae, or use another VAE."
        )


def require_prompt(model, text, what: str):
    """The (1, t, D) `text` of a prompt; raises ValueError unless the MODEL reads such."""
    width = model.model.model_config.unet_config.get("context_dim")
    if text is None or text.ndim != 3 or (width and text.shape[-1] != width):
        shape = "nothing" if text is None else tuple(text.shape)
        raise ValueError(
            f"The {what} prompt is {shape}, and this MODEL reads (1, words, {width}): encode it with the CLIP of the SD1.5 checkpoint, "
            "not with that of SDXL, SD3 or Flux."
        )
    return text


def first_prompt(model, conditioning, what: str):
    """The (1, t, D) text of a CONDITIONING's first entry. Raises ValueError where it has none, or one of another kind of model."""
    if not len(conditioning):
        raise ValueError(
            f"The {what} prompt is empty: wire CLIP Text Encode, with an empty text if you want none."
        )
    return require_prompt(model, conditioning[0][0], what)


def require_masks(mask, count: int, what: str) -> None:
    """Raise ValueError unless a MASK is one picture, or one for each of `count`, of finite numbers."""
    if mask.ndim != 3 or len(mask) not in (1, count) or 0 in mask.shape:
        raise ValueError(
            f"The mask is {tuple(mask.shape)} and there are {count} {what}s: give one (1, height, width), or one a {what}."
        )
    if not mask.isfinite().all():
        raise ValueError("The mask holds values that are no numbers (NaN or infinite).")


def require_frames(what: str, frames: int, other: str, needed: int) -> None:
    """Raise ValueError unless both have as many frames."""
    if frames != needed:
        raise ValueError(
            f"The {what} has {frames} frames and the {other} has {needed}: they must be equal. "
            "Retime Track trims a track, and its images with it."
        )


def require_expression(track, clip_vision, patches: dict, still_face: bool) -> None:
    """Raise ValueError if the driving features are all zero, unless that is allowed."""
    pictures = clip_vision is not None and all(images is not None for images in patches.values())
    if track.coefficients is None and not pictures and not still_face:
        raise ValueError(
            f"The face would not act: the track of {track.source} has no expression coefficients and no eye and mouth pictures are wired. "
            "Three ways out: (1) Face Motion (PD-FGC), which needs the picture alone, into face_motion; (2) a track with coefficients: "
            "ComfyUI's own Detect Face Landmarks, the HelloMeme ONNX models, or a recording (Import Live Link Face); "
            "(3) patches of Face Patches together with clip_vision. For a still face on purpose, switch still_face on."
        )


def require_one_size(reference, size: tuple[int, int], what: str) -> None:
    """Raise ValueError unless something of (height, width) cells has the size at which the portrait was encoded."""
    if tuple(reference.size) != tuple(size):
        drawn, encoded = (f"{width * 8}x{height * 8}" for height, width in (size, reference.size))
        raise ValueError(
            f"The {what} is for {drawn} px and the portrait was encoded at {encoded} px: they must be equal."
        )


def require_pair(adapter, drive) -> None:
    """Raise ValueError unless a reference adapter and a drive share a version; the sentence says which pairs do."""
    if not set(adapter.versions) & set(drive.versions):
        pairs = "; ".join(
            f"{row.name}: {row.reference} with {' or '.join(dict.fromkeys((row.coefficients_drive, row.motion_drive)))}"
            + (f" + {row.projection}" if row.projection else "")
            for row in VERSIONS.values()
        )
        raise ValueError(
            f"A {' or '.join(adapter.versions)} reference and a {' or '.join(drive.versions)} drive do not belong together. "
            f"Pairs: {pairs}."
        )
