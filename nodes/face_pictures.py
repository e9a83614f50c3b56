"""Nodes that make pictures of a track, and put pictures back."""

import torch
from comfy_api.latest import io

from ..face_tools.crop import CROP_RULES, CropRule, portrait_crop
from ..face_tools.head_pose_raster import draw_box, driven_translation
from ..face_tools.patches import PATCH, REGIONS, plan_patches
from .pixels import frame_float, frames_uint8, put, require_rows
from .progress import ticker
from .schema import schema
from .types import CropType, FaceTrackType


class CropPortrait(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return schema(
            node_id="SKPortraitCropPortrait",
            display_name="Crop Portrait",
            category="SK Portrait/face",
            description="Cuts one square round the face, the same for the whole clip, with the margin that the networks know.",
            inputs=[
                io.Image.Input("images", tooltip="The frames that were tracked."),
                FaceTrackType.Input("track", tooltip="Their track: one row for every frame."),
                io.Combo.Input(
                    "generation",
                    options=list(CROP_RULES),
                    default="v5",
                    tooltip="Whose margin to use: the square is 2.2 (v1), 2.3 (v2 to v4) or 3.0 (v5) times the face. "
                    "Today's published code uses 3.0 for all of them.",
                ),
                io.Float.Input(
                    "factor",
                    default=0.0,
                    min=0.0,
                    max=10.0,
                    step=0.05,
                    tooltip="Side of the square in face sizes; 0 takes the generation's own.",
                ),
                io.Int.Input("size", default=512, min=64, max=4096, step=8, tooltip="Width and height of the pictures, pixels."),
            ],
            outputs=[
                io.Image.Output(display_name="images", tooltip="The cropped frames."),
                FaceTrackType.Output(display_name="track", tooltip="The track as seen in the cropped frames."),
                CropType.Output(display_name="crop", tooltip="Where the square lies, for Paste Back."),
            ],
        )

    @classmethod
    def execute(cls, images, track, generation, factor, size) -> io.NodeOutput:
        require_rows(track, images)
        rule = CROP_RULES[generation]
        crop = portrait_crop(track, CropRule(factor or rule.factor, rule.lift, rule.lift_of), size)
        tick = ticker(len(images))
        cropped = torch.empty(len(images), size, size, 3)
        for k, image in enumerate(images):
            put(cropped, k, crop.cut(frame_float(image)))
            tick(k + 1)
        return io.NodeOutput(cropped, crop.track(track), crop)


class DrawHeadPose(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return schema(
            node_id="SKPortraitDrawHeadPose",
            display_name="Draw Head Pose",
            category="SK Portrait/face",
            description="Draws the square that turns with the head: the head-pose picture that the drive encoders read.",
            inputs=[
                FaceTrackType.Input("track", tooltip="The driver's track, cropped."),
                FaceTrackType.Input("reference", optional=True, tooltip="The portrait's track, cropped: its place is kept."),
                io.Float.Input(
                    "translation_ratio",
                    default=0.0,
                    min=-4.0,
                    max=4.0,
                    step=0.05,
                    tooltip="How much of the driver's movement through the picture to add: 0 (published) none, 1 all of it.",
                ),
                io.Int.Input("size", default=512, min=64, max=4096, step=8, tooltip="Shorter side, pixels; 512 as published."),
            ],
            outputs=[io.Image.Output(display_name="head_pose", tooltip="One picture for every row of the track.")],
        )

    @classmethod
    def execute(cls, track, translation_ratio, size, reference=None) -> io.NodeOutput:
        places = driven_translation(track, reference, translation_ratio)
        width, height = (round(side * size / min(track.size)) for side in track.size)
        tick = ticker(len(track))
        pictures = torch.empty(len(track), height, width, 3)
        for k, (rotation, place) in enumerate(zip(track.rotation, places)):
            put(pictures, k, draw_box(rotation, place, (width, height)))
            tick(k + 1)
        return io.NodeOutput(pictures)


class FacePatches(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        window = "224 px, in one fixed window for the whole clip."
        return schema(
            node_id="SKPortraitFacePatches",
            display_name="Face Patches",
            category="SK Portrait/face",
            description="Cuts the pictures of eyes, mouth and face that the drive encoders look at, to blur or paint at will.",
            inputs=[
                io.Image.Input("images", tooltip="The driver's frames, cropped or not."),
                FaceTrackType.Input("track", tooltip="Their track: one row for every frame."),
            ],
            outputs=[
                io.Image.Output(display_name="left_eye", tooltip=f"The eye and brow on the left of the picture, {window}"),
                io.Image.Output(display_name="right_eye", tooltip=f"The eye and brow on the right of the picture, {window}"),
                io.Image.Output(display_name="mouth", tooltip=f"The mouth, {window}"),
                io.Image.Output(display_name="motion_crop", tooltip="The upright face for the PD-FGC motion encoder, 224 px."),
            ],
        )

    @classmethod
    def execute(cls, images, track) -> io.NodeOutput:
        require_rows(track, images)
        plan = plan_patches(track)
        tick = ticker(len(images))
        pictures = {name: torch.empty(len(images), PATCH, PATCH, 3) for name in (*REGIONS, "motion_crop")}
        for k, frame in enumerate(frames_uint8(images)):
            for name, picture in plan.cut(frame, k).items():
                put(pictures[name], k, picture)
            tick(k + 1)
        return io.NodeOutput(*pictures.values())


NODES = [CropPortrait, DrawHeadPose, FacePatches]
