"""The nodes Encode Portrait Identity and Encode Performance, which run once, before sampling."""

from __future__ import annotations

from collections.abc import Sequence

import comfy.model_management
import torch
from comfy_api.latest import io

from ...errors import MissingInputError, ModelError, SingleInputError, SizeError
from ...face_tools import coefficients as arkit
from ...face_tools.track import FaceTrack
from ...face_tools.trackers.onnx_source import NAME as ONNX
from ...face_tools.trackers.onnx_source import named_otherwise
from ...sk_attention.drive import Drive, DrivePatch, Expression, encode
from ...sk_attention.reference import Reference
from ...sk_attention.versions import VERSIONS
from ...unet.clip.frames import COND, UNCOND
from ...unet.hosts import comfy_hooks as unet_comfy
from ...unet.patches import Capture, WeightedPatch
from ..checks import (
    first_prompt,
    require_expression,
    require_frames,
    require_latent,
    require_one_picture,
    require_pair,
    require_reference_adapter,
    require_sd15,
)
from ..face.calibration import coefficient_order
from ..notice import notice
from ..pixels import require_pictures
from ..progress import ticker
from ..schema import RARE, schema
from ..types import (
    AdapterType,
    DriveEncoderType,
    DriveType,
    FaceMotionType,
    FacePatchesType,
    FaceTrackType,
    ReferenceType,
)
from .face_motion import FaceMotion
from .networks import Network, load_plain

# Embedding width of the CLIP vision model that the official encoders were trained with (ViT-H).
EMBEDDING = 1024
CLIP_FRAMES = 8  # frames per call, each with three patches


class EncodeReference(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return schema(
            node_id="SKPortraitEncodeReference",
            display_name="Encode Portrait Identity",
            category="SK Portrait/encode",
            description="Encodes the portrait once with the UNet of the connected MODEL and keeps its "
            "features. A MODEL with your LoRA adds the LoRA's style to the identity; the plain MODEL leaves "
            "it out.",
            search_aliases=["HelloMeme", "reference", "identity", "portrait", "Encode Portrait Reference"],
            inputs=[
                io.Model.Input(
                    "model",
                    tooltip="An SD1.5 MODEL. Its LoRAs have an effect; attention patches of other nodes "
                    "have none.",
                ),
                AdapterType.Input("adapter", tooltip="From Load HelloMeme Reference Model."),
                io.Conditioning.Input(
                    "positive",
                    tooltip="The positive prompt, the same as for sampling; only its first entry is used.",
                ),
                io.Conditioning.Input(
                    "negative",
                    tooltip="The negative prompt, the same as for sampling; only its first entry is used.",
                ),
                io.Latent.Input(
                    "latent",
                    tooltip="The cropped portrait from VAE Encode: one picture, at the sampled size.",
                ),
                DriveType.Input(
                    "drive",
                    optional=True,
                    tooltip="Only for v5c: from an Encode Performance with the portrait's own track and "
                    "crops, one frame.",
                ),
            ],
            outputs=[
                ReferenceType.Output(
                    display_name="reference",
                    tooltip="Features of the portrait and the reference adapter, for Animate Portrait.",
                )
            ],
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def execute(
        cls,
        model: io.Model.Type,
        adapter: Network,
        positive: io.Conditioning.Type,
        negative: io.Conditioning.Type,
        latent: io.Latent.Type,
        drive: Drive | None = None,
    ) -> io.NodeOutput:
        require_sd15(model)
        require_reference_adapter(adapter)
        samples = latent["samples"]
        require_latent(samples, "portrait's latent")
        prompts = {
            COND: first_prompt(model, positive, "positive"),
            UNCOND: first_prompt(model, negative, "negative"),
        }
        require_one_picture(samples)
        for name, conditioning in (("positive", positive), ("negative", negative)):
            if (count := len(conditioning[0][0])) != 1:
                raise SingleInputError(
                    f"The {name} prompt is {count} prompts in a batch, one per frame; the reference is one "
                    "picture: connect the prompt of the portrait. The sampler takes the batch.",
                    count,
                )
        if drive is None and all(VERSIONS[name].driven_reference for name in adapter.versions):
            raise MissingInputError(
                f"{adapter.loaded.file} is a {adapter.loaded}: its reference pass also receives the portrait's own drive, "
                "so connect Encode Performance of the portrait to `drive`.",
                ("drive",),
            )
        if drive is not None:
            require_pair(adapter.loaded, drive)
            require_frames("drive of the portrait", len(drive), "reference", 1)
        notice_trained_size(cls, adapter, samples.shape[-2:])
        features = _features(model, adapter.module.sites, samples, prompts, drive)
        return io.NodeOutput(Reference(features, tuple(samples.shape[-2:]), adapter))


def notice_trained_size(node, adapter, size: Sequence[int]) -> None:
    """Show a notice on the node if a latent of this (height, width) is larger
    than those with which the adapter was trained.
    """
    trained, longest = adapter.module.trained_cells, max(size)
    if trained and longest > trained:
        notice(
            node,
            f"{adapter.loaded.file} is a {adapter.loaded} trained up to {trained * 8} px a side; at {longest * 8} px its positional "
            "tables are extrapolated and the picture may suffer. v5 and later have no such limit.",
        )


def _features(model, sites, samples, prompts, drive) -> dict[str, torch.Tensor]:
    """Return {block boundary: (2, C, h, w)}, cond and
    uncond features of the portrait, on the offload device.
    """
    plain = load_plain(model)
    base, device = plain.model, plain.load_device
    clean = base.process_latent_in(samples).to(device)
    halves = []
    for side, z in ((COND, clean), (UNCOND, torch.zeros_like(clean))):
        capture = Capture(sites)
        patches = [WeightedPatch(capture)] + ([WeightedPatch(DrivePatch(drive))] if drive else [])
        unet_comfy.plain_pass(base, z, prompts[side], patches, side)
        halves.append(capture.features)
    keep = comfy.model_management.unet_offload_device()
    return {boundary: torch.cat([half[boundary] for half in halves]).to(keep) for boundary in halves[0]}


class EncodeDrive(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return schema(
            node_id="SKPortraitEncodeDrive",
            display_name="Encode Performance (Pose + Expression)",
            category="SK Portrait/encode",
            description="Encodes head pose and expression of every frame as features for Animate Portrait. "
            "The expression is either coefficients with eye and mouth crops, or face motion (PD-FGC).",
            search_aliases=[
                "face reenactment",
                "HelloMeme",
                "drive",
                "expression",
                "HMControlNet",
                "Encode Portrait Drive",
            ],
            inputs=[
                DriveEncoderType.Input("drive_encoder", tooltip="From Load HelloMeme Control Model."),
                io.Image.Input(
                    "head_pose",
                    tooltip="From Draw Head Pose, at the sampled size, one picture per frame.",
                ),
                FaceTrackType.Input(
                    "track", tooltip="The track of the driver. Its coefficients are the expression."
                ),
                io.ClipVision.Input(
                    "clip_vision",
                    optional=True,
                    tooltip="CLIP ViT-H (the image encoder of IP-Adapter), to encode the eye and mouth "
                    "crops.",
                ),
                FacePatchesType.Input(
                    "patches",
                    optional=True,
                    tooltip="From Crop Eyes and Mouth: crops of eyes and mouth, one each per frame.",
                ),
                io.Image.Input(
                    "left_eye",
                    optional=True,
                    tooltip="Replaces the left eye of patches: one edited picture per frame.",
                ),
                io.Image.Input(
                    "right_eye",
                    optional=True,
                    tooltip="Replaces the right eye of patches: one edited picture per frame.",
                ),
                io.Image.Input(
                    "mouth",
                    optional=True,
                    tooltip="Replaces the mouth of patches: one edited picture per frame.",
                ),
                FaceMotionType.Input(
                    "face_motion",
                    optional=True,
                    tooltip="From Read Expression (PD-FGC). It replaces coefficients and patches.",
                ),
                io.Boolean.Input(
                    "still_face",
                    display_name="allow an expressionless face",
                    default=False,
                    tooltip="On: allows a drive without any expression. Off: missing expression data raises "
                    "an error.",
                    **RARE,
                ),
            ],
            outputs=[
                DriveType.Output(
                    display_name="drive", tooltip="Drive features, one entry per frame, for Animate Portrait."
                )
            ],
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def execute(
        cls,
        drive_encoder: Network,
        head_pose: io.Image.Type,
        track: FaceTrack,
        clip_vision: io.ClipVision.Type | None = None,
        patches: dict[str, io.Image.Type] | None = None,
        left_eye: io.Image.Type | None = None,
        right_eye: io.Image.Type | None = None,
        mouth: io.Image.Type | None = None,
        face_motion: FaceMotion | None = None,
        still_face: bool = False,
    ) -> io.NodeOutput:
        frames = len(head_pose)
        require_pictures(head_pose, "head_pose")
        drive_encoder.module.require_size(*head_pose.shape[1:3])
        require_frames("track", len(track), "head pose", frames)
        kind = "face_motion" if face_motion is not None else "coefficients"
        if kind not in drive_encoder.module.kinds:
            other = {"face_motion": "coefficients and patches", "coefficients": "Read Expression (PD-FGC)"}[
                kind
            ]
            raise MissingInputError(
                f"{drive_encoder.loaded.file} is a {drive_encoder.loaded} that takes {other} only.", (other,)
            )
        if face_motion is not None:
            require_frames("face motion", len(face_motion.codes), "head pose", frames)
            expression = Expression(face_motion=face_motion.codes)
        else:
            edited = {"left_eye": left_eye, "right_eye": right_eye, "mouth": mouth}
            pictures = {
                name: (patches or {}).get(name) if images is None else images
                for name, images in edited.items()
            }
            require_expression(track, clip_vision, pictures, still_face)
            expression = Expression(
                _coefficients(cls, track), _embed_patches(cls, clip_vision, pictures, frames)
            )
        return io.NodeOutput(_encode(drive_encoder, head_pose, expression, face_motion))


def _encode(encoder, head_pose, expression: Expression, face_motion):
    black = any(VERSIONS[name].black_null for name in encoder.versions)
    comfy.model_management.load_models_gpu([encoder.patcher])
    device, keep = encoder.patcher.load_device, comfy.model_management.unet_offload_device()
    # Computed in fp32 whatever the dtype of the weights: it happens once
    # per frame, and pure bf16 would deviate by 2e-2.
    pictures = head_pose[..., :3].movedim(-1, 1)
    with torch.no_grad():
        return encode(
            lambda picture, codes: encoder.module(picture.to(device, torch.float32) * 2 - 1, codes),
            pictures,
            expression,
            empty=0.0,
            null_motion=face_motion.null if face_motion is not None and black else None,
            versions=encoder.versions,
            place=lambda feature: feature.to(keep, encoder.dtype),
            tick=ticker(len(pictures)),
        )


def _coefficients(node, track) -> torch.Tensor:
    """Coefficients (F, 51) in network order; zeros, with a notice, if the track has none."""
    if track.coefficients is None:
        notice(
            node,
            f"The track of {track.source} has no expression coefficients: zeros stand in for them and the face will act less.",
        )
        return torch.zeros(len(track), len(arkit.ARKIT_51))
    order = coefficient_order()
    doubt = named_otherwise(track, order) if track.source == ONNX else arkit.experimental_note(order)
    if doubt:
        notice(node, doubt)
    return torch.from_numpy(arkit.to_network_order(track.coefficients, order)).float()


def _embed_patches(node, clip_vision, patches: dict, frames: int) -> torch.Tensor:
    """CLIP embeddings (F, 3, 1024) of left eye, right eye and
    mouth; zeros, with a notice, if inputs are missing.
    """
    missing = [name for name, images in patches.items() if images is None]
    if clip_vision is None or missing:
        lacking = ([] if clip_vision else ["clip_vision"]) + missing
        notice(
            node,
            f"No eye and mouth patches: {', '.join(lacking)} not connected, so zeros stand in for them and the face will move less.",
        )
        return torch.zeros(frames, len(patches), EMBEDDING)
    for name, images in patches.items():
        require_pictures(images, name)
        require_frames(name, len(images), "head pose", frames)
    if len(shapes := {images.shape[1:3] for images in patches.values()}) > 1:
        raise SizeError(
            f"The eye and mouth patches are of different sizes, {sorted(map(tuple, shapes))}: connect those of one Crop Eyes and Mouth.",
            tuple(max(shapes)[::-1]),
            tuple(min(shapes)[::-1]),
        )
    views = list(patches.values())
    changes = [
        not k or any(not torch.equal(images[k], images[k - 1]) for images in views) for k in range(frames)
    ]
    # A repeated frame has the embedding of the frame before it.
    distinct = [k for k, changed in enumerate(changes) if changed]
    tick, embeddings = ticker(len(distinct)), []
    for start in range(0, len(distinct), CLIP_FRAMES):
        rows = distinct[start : start + CLIP_FRAMES]
        pictures = torch.stack([images[rows][..., :3] for images in views], dim=1).flatten(0, 1)
        embeddings.append(clip_vision.encode_image(pictures)["image_embeds"])
        tick(start + len(rows))
    embedded = torch.cat(embeddings).float()
    if embedded.shape[-1] != EMBEDDING:
        raise ModelError(
            f"This CLIP vision model gives {embedded.shape[-1]} numbers per picture; HelloMeme was trained with CLIP ViT-H, {EMBEDDING}.",
            embedded.shape[-1],
        )
    return embedded.unflatten(0, (-1, len(views)))[torch.tensor(changes).cumsum(0) - 1]


NODES = [EncodeReference, EncodeDrive]
