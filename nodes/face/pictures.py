"""Nodes that make pictures of a track, and put pictures back."""

import torch
from comfy_api.latest import io

from ...face_tools.pictures.head_pose_raster import draw_box, driven_translation
from ...face_tools.pictures.paste import paste_back, window_mask
from ...face_tools.pictures.patches import PATCH, REGIONS, plan_patches
from ..pixels import frame_float, frame_uint8, put, require_rows
from ..progress import ticker
from ..schema import schema
from ..types import CropType, FaceTrackType
from .crop_inputs import CROP_INPUTS, crop_of


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
                *CROP_INPUTS,
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
        crop = crop_of(track, generation, factor, size)
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
        for k, image in enumerate(images):
            for name, picture in plan.cut(frame_uint8(image[plan.part(k)]), k).items():
                put(pictures[name], k, picture)
            tick(k + 1)
        return io.NodeOutput(*pictures.values())


class PasteBack(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return schema(
            node_id="SKPortraitPasteBack",
            display_name="Paste Back",
            category="SK Portrait/face",
            description="Puts cropped portraits back into the frames they came from: the exact inverse of the crop, with a soft edge.",
            search_aliases=["uncrop", "stitch", "composite"],
            inputs=[
                io.Image.Input("images", tooltip="The whole frames; one picture serves for all portraits."),
                io.Image.Input("portraits", tooltip="The changed crops, one for every frame; another square size is fine."),
                CropType.Input("crop", tooltip="From Crop Portrait or Track Video."),
                io.Float.Input(
                    "feather",
                    default=0.1,
                    min=0.0,
                    max=0.5,
                    step=0.01,
                    tooltip="Width of the soft edge inside the square, as a share of its side; 0 is a hard edge.",
                ),
                io.Float.Input(
                    "colour_match",
                    default=0.0,
                    min=0.0,
                    max=1.0,
                    step=0.05,
                    tooltip="How far to pull the portrait's colours towards the frame's: 0 leaves them, 1 takes mean and spread over.",
                ),
                io.Mask.Input("mask", optional=True, tooltip="Drawn over the crop: white is pasted. One, or one for every frame."),
            ],
            outputs=[
                io.Image.Output(display_name="images", tooltip="The frames with the portraits in their place."),
                io.Mask.Output(display_name="pasted", tooltip="Where and how strongly the portrait was pasted, over the whole frame."),
            ],
        )

    @classmethod
    def execute(cls, images, portraits, crop, feather, colour_match, mask=None) -> io.NodeOutput:
        count = len(portraits)
        if len(images) not in (1, count):
            raise ValueError(f"There are {len(images)} frames and {count} portraits: give one frame, or one for every portrait.")
        if mask is not None and len(mask) not in (1, count):
            raise ValueError(f"There are {len(mask)} masks and {count} portraits: give one mask, or one for every portrait.")
        crop = crop.at(portraits.shape[1])
        tick = ticker(count)
        height, width = images.shape[1:3]
        result, pasted = torch.empty(count, height, width, 3), torch.zeros(1 if mask is None else len(mask), height, width)
        for k in range(count):
            if k < len(pasted):
                weight = window_mask(crop, feather, None if mask is None else mask[k].float().cpu().numpy())
                pasted[k, crop.y : crop.y + crop.side, crop.x : crop.x + crop.side] = torch.from_numpy(weight)
            result[k] = images[min(k, len(images) - 1), ..., :3]
            paste_back(result[k].numpy(), frame_float(portraits[k]), crop, weight, colour_match)
            tick(k + 1)
        return io.NodeOutput(result, pasted)


NODES = [CropPortrait, DrawHeadPose, FacePatches, PasteBack]
