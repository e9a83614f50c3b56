"""Input checks of the nodes."""

from __future__ import annotations

from typing import Any

import comfy.supported_models

from ..errors import (
    FrameCountError,
    MissingInputError,
    ModelError,
    NotFiniteError,
    ShapeError,
    SingleInputError,
    SizeError,
    VersionError,
)
from ..sk_attention.checkpoint import CheckpointError
from ..sk_attention.versions import VERSIONS

LEAST = 8  # latent pixels per side: the UNet halves the latent three times


def require_sd15(model) -> None:
    """Raise ModelError unless the MODEL is a plain SD1.5 UNet."""
    config: Any = getattr(model.model, "model_config", None)
    if not isinstance(config, comfy.supported_models.SD15):
        raise ModelError(
            f"SK Portrait works on SD1.5; this MODEL is {type(config).__name__}. Load an SD1.5 checkpoint.",
            type(config).__name__,
        )
    channels = config.unet_config.get("in_channels", 4)
    if channels != 4:
        raise ModelError(
            f"This SD1.5 MODEL takes {channels} input channels (inpainting); SK Portrait needs the plain one with 4.",
            channels,
        )


def require_reference_adapter(adapter) -> None:
    """Raise CheckpointError if an adapter is a ControlNetSK, because
    its file has the keys of a reference adapter.
    """
    if adapter.loaded.condition:
        raise CheckpointError(
            f"{adapter.loaded.file} is a {adapter.loaded}, and this node takes a reference adapter. "
            "A ControlNetSK goes into Apply ControlNetSK.",
            adapter.loaded.file,
        )


def require_control(adapter) -> None:
    """Raise CheckpointError unless an adapter is a ControlNetSK."""
    if not adapter.loaded.condition:
        raise CheckpointError(
            f"{adapter.loaded.file} is a {adapter.loaded}, and this node takes a ControlNetSK. "
            "A reference adapter goes into Encode Portrait Identity.",
            adapter.loaded.file,
        )


def require_latent(samples, what: str) -> None:
    """Raise ShapeError, SizeError or NotFiniteError unless latent samples are (frames, 4, h, w), finite,
    and large enough for SD1.5.
    """
    if samples.ndim != 4 or samples.shape[1] != 4 or 0 in samples.shape:
        raise ShapeError(
            f"The {what} is {tuple(samples.shape)}, and a latent of SD1.5 is (frames, 4, height / 8, width / 8): "
            "encode it with the VAE of an SD1.5 checkpoint.",
            tuple(samples.shape),
        )
    if min(samples.shape[-2:]) < LEAST:
        raise SizeError(
            f"The {what} has {samples.shape[-1]}x{samples.shape[-2]} latent pixels; SD1.5's UNet needs at least "
            f"{LEAST}x{LEAST}. Use a picture of at least {LEAST * 8}x{LEAST * 8} px.",
            (samples.shape[-1] * 8, samples.shape[-2] * 8),
        )
    if not samples.isfinite().all():
        raise NotFiniteError(
            f"The {what}",
            ", and the result would be black. Start ComfyUI with --fp32-vae, or use another VAE.",
        )


def require_one_picture(samples) -> None:
    """Raise SingleInputError unless the latent of a reference holds one picture."""
    if len(samples) != 1:
        raise SingleInputError(
            f"The reference is one picture; the latent holds {len(samples)}.", len(samples)
        )


def require_prompt(model, text, what: str):
    """Return the prompt embedding `text` (1, t, D).

    Raises ShapeError unless the MODEL accepts its width D.
    """
    width = model.model.model_config.unet_config.get("context_dim")
    if text is None or text.ndim != 3 or (width and text.shape[-1] != width):
        shape = "nothing" if text is None else tuple(text.shape)
        raise ShapeError(
            f"The {what} prompt is {shape}, and this MODEL reads (1, words, {width}): encode it with the CLIP of the SD1.5 checkpoint, "
            "not with that of SDXL, SD3 or Flux.",
            () if text is None else tuple(text.shape),
        )
    return text


def first_prompt(model, conditioning, what: str):
    """Return the text embedding (1, t, D) of a CONDITIONING's first entry.

    Raises MissingInputError if it has no entry, ShapeError if it was encoded for another kind of model.
    """
    if not len(conditioning):
        raise MissingInputError(
            f"The {what} prompt is empty: connect CLIP Text Encode, with an empty text if you want none.",
            (what,),
        )
    return require_prompt(model, conditioning[0][0], what)


def require_masks(mask, count: int, what: str) -> None:
    """Raise ShapeError or NotFiniteError unless a MASK holds one
    picture, or one per `count`, with finite values.
    """
    if mask.ndim != 3 or len(mask) not in (1, count) or 0 in mask.shape:
        raise ShapeError(
            f"The mask is {tuple(mask.shape)} and there are {count} {what}s: give one (1, height, width), or one a {what}.",
            tuple(mask.shape),
        )
    if not mask.isfinite().all():
        raise NotFiniteError("The mask")


def require_frames(what: str, frames: int, other: str, needed: int) -> None:
    """Raise FrameCountError unless `what` has the number of frames of `other`."""
    if frames != needed:
        raise FrameCountError(
            what,
            frames,
            other,
            needed,
            "they must be equal. Retime Track trims a track, and its images with it.",
        )


def require_expression(track, clip_vision, patches: dict, still_face: bool) -> None:
    """Raise MissingInputError if all driving features would be zero, unless still_face allows it."""
    pictures = clip_vision is not None and all(images is not None for images in patches.values())
    if track.coefficients is None and not pictures and not still_face:
        raise MissingInputError(
            f"The face would not act: the track of {track.source} has no expression coefficients, and no eye and "
            "mouth pictures are connected. Three ways out: (1) Read Expression (PD-FGC), which needs the picture alone, into face_motion; "
            "(2) a track with coefficients: "
            "ComfyUI's own Detect Face Landmarks, the HelloMeme ONNX models, or a recording (Import Live "
            "Link Face); "
            "(3) patches of Crop Eyes and Mouth together with clip_vision. For a still face on purpose, "
            "switch still_face on.",
            ("coefficients", "face_motion", *patches),
        )


def require_one_size(reference, size: tuple[int, int], what: str) -> None:
    """Raise SizeError unless `size`, (height, width) in latent pixels,
    is the size at which the portrait was encoded.
    """
    if tuple(reference.size) != tuple(size):
        drawn, encoded = (f"{width * 8}x{height * 8}" for height, width in (size, reference.size))
        raise SizeError(
            f"The {what} is for {drawn} px and the portrait was encoded at {encoded} px: they must be equal.",
            (size[1] * 8, size[0] * 8),
            (reference.size[1] * 8, reference.size[0] * 8),
        )


def require_pair(adapter, drive) -> None:
    """Raise VersionError, which lists the matching pairs, unless a
    reference adapter and a drive share a version.
    """
    if not set(adapter.versions) & set(drive.versions):
        pairs = "; ".join(
            f"{row.name}: {row.reference} with {' or '.join(dict.fromkeys((row.coefficients_drive, row.motion_drive)))}"
            + (f" + {row.projection}" if row.projection else "")
            for row in VERSIONS.values()
        )
        raise VersionError(
            f"A {' or '.join(adapter.versions)} reference and a {' or '.join(drive.versions)} drive do not belong together. "
            f"Pairs: {pairs}.",
            tuple(drive.versions),
            tuple(adapter.versions),
        )
