"""IPAdapterSK FaceID: Load FaceID (SK), Face Embedding and Apply FaceID (SK)."""

from __future__ import annotations

import os

import numpy as np
import torch
import torch.nn.functional as F
from comfy.ldm.modules.attention import optimized_attention
from comfy_api.latest import io

from ...errors import MissingFileError, MissingInputError, ModelFileError
from ...face_tools.embedding import FILES
from ...face_tools.track import FaceTrack
from ...face_tools.track_errors import NoFaceError, SchemeError
from ...sk_attention.appendix.cross import EMBEDDING, FaceIDAdapter
from ...sk_attention.appendix.patch import FaceIDPatch
from ...unet.clip.curve import Curve
from ...unet.hosts import comfy_attention
from ..checks import require_sd15
from ..face.arcface import ABSENT, embedder
from ..face.recordings import content_of, path_of
from ..file_names import numbered
from ..folders import NETWORKS, absent, files
from ..input_files import listed
from ..percent_range import PERCENT_RANGE, range_of
from ..pixels import frames_uint8, require_rows
from ..schema import patched_model, schema
from ..types import FaceEmbeddingType, FaceIDType, FaceTrackType, FloatsType
from .networks import PAGE, CrossNetwork, open_cross, require_fit

ARCFACE = "ArcFace"


class EmbeddingFileError(ModelFileError):
    """Raised for a file that is not a saved face embedding."""


class LoadFaceID(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return schema(
            node_id="SKPortraitLoadFaceIDSK",
            display_name="Load FaceID (SK)",
            category="SK Portrait/load",
            description="Loads an IPAdapterSK FaceID network (HelloMeme, appendix A). There are no public "
            "weights: train your own with "
            "`python run.py train faceid-sk`.",
            search_aliases=["IPAdapterSK", "FaceID", "SK cross-attention"],
            inputs=[
                io.Combo.Input(
                    "file",
                    options=files(NETWORKS),
                    tooltip="A file in models/sk_portrait, written by `python run.py train faceid-sk`.",
                )
            ],
            outputs=[
                FaceIDType.Output(
                    display_name="face_id", tooltip="The FaceID network, for Apply FaceID (SK)."
                )
            ],
        )

    @classmethod
    def validate_inputs(cls, file):
        return absent(NETWORKS, file, PAGE) or True

    @classmethod
    def execute(cls, file: str) -> io.NodeOutput:
        return io.NodeOutput(open_cross(file, FaceIDAdapter))


class FaceEmbedding(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return schema(
            node_id="SKPortraitFaceEmbedding",
            display_name="Face Embedding",
            category="SK Portrait/face",
            description="Describes the identity of a face by 512 numbers, which ArcFace computes from "
            "pictures and their track, or which are loaded from a file. InsightFace's weights are for "
            "non-commercial research only.",
            search_aliases=["ArcFace", "InsightFace", "identity", "face embedding"],
            inputs=[
                io.Combo.Input(
                    "source",
                    options=[ARCFACE, *listed(".npy", output=True)],
                    tooltip="ArcFace: computes the embedding from pictures, with w600k_r50.onnx or "
                    "glintr100.onnx in models/insightface. A .npy file: loads a saved embedding from the "
                    "input or output folder.",
                ),
                io.Boolean.Input(
                    "per_frame",
                    default=False,
                    tooltip="On: one embedding per frame. Off: the mean of all frames, which does not "
                    "fluctuate.",
                ),
                io.String.Input(
                    "save_as",
                    default="",
                    tooltip="Name of a .npy file in the output folder; a number is added. Empty: the "
                    "embedding is not saved.",
                ),
                io.Image.Input(
                    "images",
                    optional=True,
                    lazy=True,
                    tooltip="Only for ArcFace: one or more pictures of the person.",
                ),
                FaceTrackType.Input(
                    "track",
                    optional=True,
                    lazy=True,
                    tooltip="Only for ArcFace: the track of these pictures, with landmarks. Frames without "
                    "a detected face are skipped.",
                ),
            ],
            outputs=[
                FaceEmbeddingType.Output(
                    display_name="embedding",
                    tooltip="The embedding, for Apply FaceID (SK): one vector of 512 numbers, or one per "
                    "frame, of length 1.",
                ),
                io.String.Output(
                    display_name="path",
                    tooltip="Path of the saved file; empty if the embedding was not saved.",
                ),
            ],
        )

    @classmethod
    def validate_inputs(cls, source):
        try:
            return source == ARCFACE or bool(path_of(source))
        except FileNotFoundError as error:
            return str(error)

    @classmethod
    def check_lazy_status(cls, source, images=True, track=True, **_):
        """Return the connected inputs to compute: none of them for a saved embedding."""
        missing = [name for name, value in (("images", images), ("track", track)) if value is None]
        return missing if source == ARCFACE else []

    @classmethod
    def fingerprint_inputs(cls, source, **_):
        return ARCFACE if source == ARCFACE else content_of(source)

    @classmethod
    def execute(
        cls,
        source: str,
        per_frame: bool,
        save_as: str,
        images: io.Image.Type | None = None,
        track: FaceTrack | None = None,
    ) -> io.NodeOutput:
        found = by_arcface(images, track, per_frame) if source == ARCFACE else saved(path_of(source))
        if not per_frame:
            found = found.mean(0, keepdim=True)
        found = F.normalize(found, dim=1)
        return io.NodeOutput(found, write(save_as, found) if save_as.strip() else "")


class ApplyFaceID(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return schema(
            node_id="SKPortraitApplyFaceIDSK",
            display_name="Apply FaceID (SK)",
            category="SK Portrait",
            description="Makes a MODEL draw the person of a face embedding, through SK cross-attention "
            "after the text attention of every block. It works with IPAdapter, HelloMeme, AnimateDiff, LoRA "
            "and ControlNet.",
            search_aliases=["IPAdapterSK", "FaceID", "identity", "SK cross-attention"],
            inputs=[
                io.Model.Input("model", tooltip="An SD1.5 MODEL, with LoRAs and patches as you like."),
                FaceIDType.Input("face_id", tooltip="From Load FaceID (SK)."),
                FaceEmbeddingType.Input(
                    "embedding", tooltip="From Face Embedding: one embedding, or one per frame."
                ),
                io.Float.Input(
                    "strength",
                    default=1.0,
                    min=0.0,
                    max=2.0,
                    step=0.01,
                    tooltip="Strength of the identity: 1 = as trained, 0 = off. Strengths per frame are "
                    "multiplied by it.",
                ),
                *PERCENT_RANGE,
                io.Mask.Input(
                    "mask",
                    optional=True,
                    tooltip="Where the identity acts: white = yes; one mask, or one per frame. Not "
                    "connected: everywhere.",
                ),
                FloatsType.Input(
                    "strengths",
                    optional=True,
                    tooltip="One strength per frame, from any node with a FLOATS output.",
                ),
            ],
            outputs=[patched_model()],
        )

    @classmethod
    def execute(
        cls,
        model: io.Model.Type,
        face_id: CrossNetwork[FaceIDAdapter],
        embedding: torch.Tensor,
        strength: float,
        start_percent: float,
        end_percent: float,
        mask: io.Mask.Type | None = None,
        strengths: list[float] | None = None,
    ) -> io.NodeOutput:
        require_sd15(model)
        require_fit(model, face_id)
        patched = model.clone()
        listed_ones = None if strengths is None else Curve(tuple(float(value) for value in strengths))
        by_frame = (listed_ones or Curve.constant(1.0)).times(strength)
        if not any(by_frame.values) or start_percent >= end_percent:
            return io.NodeOutput(patched)
        percent_range = range_of(start_percent, end_percent)
        patch = FaceIDPatch(face_id.module, embedding, by_frame, percent_range, mask)
        comfy_attention.bind(patched, [patch], optimized_attention, [face_id.patcher])
        return io.NodeOutput(patched)


def by_arcface(images: io.Image.Type | None, track: FaceTrack | None, per_frame: bool) -> torch.Tensor:
    """Return the embeddings (F, 512) of all frames if per_frame, else of the frames with a detected face.

    Raises MissingInputError without images or track, MissingFileError without ArcFace's file, NoFaceError if
    no frame has a detected face, SchemeError if the track has no landmarks.
    """
    if images is None or track is None:
        raise MissingInputError(
            "Face Embedding has no images or no track to read: connect both (Track Face), or choose a saved "
            "file.",
            ("images", "track"),
        )
    require_rows(track, images)
    network, detected = embedder(), np.flatnonzero(track.valid)
    if network is None:
        raise MissingFileError(ABSENT, FILES[0])
    if not len(detected):
        raise NoFaceError(
            f"The track of {track.source} holds no frame with a detected face: use another picture."
        )
    if track.landmarks.shape[1] == 0:
        raise SchemeError(
            f"The track of {track.source} has no landmarks, which the face is aligned by: track the pictures with Track Face.",
            track.scheme,
        )
    rows = np.arange(len(track)) if per_frame else detected
    return torch.from_numpy(network.of_track(frames_uint8(images[rows]), track.rows(rows)))


def saved(path: str) -> torch.Tensor:
    """Read the embeddings (F, 512) of a .npy file.

    Raises EmbeddingFileError if the file holds anything else.
    """
    name = os.path.basename(path)
    try:
        found = np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise EmbeddingFileError(
            f"{name} cannot be read as an array: save an embedding with Face Embedding.", path
        ) from error
    if found.ndim not in (1, 2) or found.shape[-1] != EMBEDDING or not np.isfinite(found).all():
        raise EmbeddingFileError(
            f"{name} holds an array of shape {found.shape}, and an embedding is ({EMBEDDING},) finite numbers, or (F, {EMBEDDING}).",
            path,
        )
    return torch.from_numpy(found.reshape(-1, EMBEDDING).astype(np.float32))


def write(name: str, embedding: torch.Tensor) -> str:
    """Save an embedding in the output folder under a new number, and return the path."""
    path = numbered(name.strip(), "save_as", ".npy")
    np.save(path, embedding.cpu().numpy())
    return path


NODES = [LoadFaceID, FaceEmbedding, ApplyFaceID]
