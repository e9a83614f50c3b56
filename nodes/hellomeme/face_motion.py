"""The node Read Expression (PD-FGC): the second kind
of expression, encoded from pictures of the whole face.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from comfy_api.latest import io, ui

from ...errors import EmptyClipError, SizeError
from ...sk_attention.fan import CROP
from ...sk_attention.published_files import FACE_MOTION
from ..pixels import require_pictures
from ..progress import ticker
from ..schema import schema
from ..types import FaceMotionType
from .library import options, unknown
from .networks import open_network

BATCH = 16


@dataclass(frozen=True)
class FaceMotion:
    """Face motion of a clip. codes: (F, 548); null: (1, 548), the code of a black crop."""

    codes: torch.Tensor
    null: torch.Tensor


class EncodeFaceMotion(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return schema(
            node_id="SKPortraitFaceMotion",
            display_name="Read Expression (PD-FGC)",
            category="SK Portrait/encode",
            description="Reads the expression of every frame (eyes, emotion, mouth) with the PD-FGC "
            "encoder, and shows the crops that the encoder receives. It needs no coefficients, so use it if "
            "the tracker gives none.",
            search_aliases=["HelloMeme", "PD-FGC", "pd_fgc_motion", "expression", "Face Motion (PD-FGC)"],
            inputs=[
                io.Combo.Input(
                    "file",
                    options=options(FACE_MOTION),
                    tooltip="The file pd_fgc_motion in models/sk_portrait.",
                ),
                io.Image.Input(
                    "motion_crop",
                    tooltip="From Crop Eyes and Mouth: the upright face, 224x224 pixels, one picture per "
                    "frame.",
                ),
            ],
            outputs=[
                FaceMotionType.Output(
                    display_name="face_motion",
                    tooltip="The expression of every frame, for Encode Performance. It replaces "
                    "coefficients and patches.",
                )
            ],
        )

    @classmethod
    def validate_inputs(cls, file):
        return unknown(file) or True

    @classmethod
    def execute(cls, file: str, motion_crop: io.Image.Type) -> io.NodeOutput:
        require_pictures(motion_crop, "motion_crop")
        if not len(motion_crop):
            raise EmptyClipError("motion crop")
        if motion_crop.shape[1:3] != (CROP, CROP):
            raise SizeError(
                f"The motion crop is {motion_crop.shape[2]}x{motion_crop.shape[1]} pixels and the PD-FGC encoder takes {CROP}x{CROP}: "
                "connect motion_crop of Crop Eyes and Mouth.",
                (motion_crop.shape[2], motion_crop.shape[1]),
                (CROP, CROP),
            )
        # Small: it runs on the device where it is, in fp32.
        network = open_network(file, FACE_MOTION).module.float()
        crops = motion_crop[..., :3].movedim(-1, 1) * 2 - 1
        tick = ticker(len(crops))
        codes = []
        with torch.no_grad():
            for start in range(0, len(crops), BATCH):
                codes.append(network(crops[start : start + BATCH]))
                tick(min(start + BATCH, len(crops)))
            motion = FaceMotion(torch.cat(codes), network.null())
        return io.NodeOutput(motion, ui=ui.PreviewImage(motion_crop, cls=cls))


NODES = [EncodeFaceMotion]
