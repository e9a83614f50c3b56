"""Nodes that crop and draw pictures from a face track."""

from __future__ import annotations

import torch
from comfy_api.latest import io, ui

from ...face_tools.pictures.following_crop import saved_crop
from ...face_tools.pictures.head_pose_raster import draw_box, driven_translation
from ...face_tools.pictures.leaving import leaving_notes
from ...face_tools.pictures.patches import MOTION_CROP, PATCH, REGIONS, plan_patches
from ...face_tools.report import describe
from ...face_tools.track import FaceTrack
from ...face_tools.trackers.straight_look import alike
from ...unet.clip.fit import CELL
from ..notice import notice
from ..pixels import empty_images, frame_float, frame_uint8, put, require_rows
from ..progress import for_each
from ..schema import RARE, schema
from ..types import CropType, FacePatchesType, FaceTrackType
from .crop_inputs import CROP, CROP_INPUTS, FIXED, crop_of


class CropPortrait(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return schema(
            node_id="SKPortraitCropPortrait",
            display_name="Crop Portrait",
            category="SK Portrait/face",
            description="Crops a square around the face, with the margin that the networks were trained on. "
            "The square is the same for the whole clip, or follows the face.",
            hidden=[io.Hidden.unique_id],
            search_aliases=["crop face", "face crop", "HelloMeme"],
            inputs=[
                io.Image.Input("images", tooltip="The frames from which the track was made."),
                FaceTrackType.Input("track", tooltip="The track of these frames, one entry per frame."),
                *CROP_INPUTS,
                CROP,
            ],
            outputs=[
                io.Image.Output(display_name="images", tooltip="The cropped frames."),
                FaceTrackType.Output(
                    display_name="track", tooltip="The track, converted to the cropped frames."
                ),
                CropType.Output(
                    display_name="crop",
                    tooltip="Position of the square in each frame, for Paste Portrait Back.",
                ),
                io.String.Output(
                    display_name="report",
                    tooltip="Summary of the cropped track, and the frames in which the face leaves the "
                    "square.",
                ),
            ],
        )

    @classmethod
    def execute(
        cls,
        images: io.Image.Type,
        track: FaceTrack,
        generation: str,
        factor: float,
        size: int,
        crop: str = FIXED,
    ) -> io.NodeOutput:
        require_rows(track, images)
        if was_cropped_from(track, images):
            notice(cls, "The track was cropped before: its own squares are cut again.")
            where, seen = saved_crop(track), track
        else:
            where = crop_of(track, generation, factor, size, crop)
            seen = where.track(track)
            for note in (notes := leaving_notes(track, where)):
                notice(cls, note)
            seen = seen.replace(notes=seen.notes + notes)
        cropped = empty_images(len(images), where.size, where.size)
        for_each(len(images), lambda k: put(cropped, k, where.of(k).cut(frame_float(images[k]))))
        return io.NodeOutput(cropped, seen, where, describe(seen))


def was_cropped_from(track, images) -> bool:
    """Whether the images are the whole frames that a cropped track came from, and not the cropped frames."""
    size = images.shape[2], images.shape[1]
    return track.whole == size and track.size != size


class DrawHeadPose(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return schema(
            node_id="SKPortraitDrawHeadPose",
            display_name="Draw Head Pose",
            category="SK Portrait/face",
            description="Draws the head-pose pictures for the control model: a square that turns with the "
            "head.",
            search_aliases=["head pose", "head turn", "head rotation"],
            inputs=[
                FaceTrackType.Input("track", tooltip="The cropped track of the driver."),
                FaceTrackType.Input(
                    "portrait_track",
                    optional=True,
                    tooltip="The cropped track of the portrait: the head is drawn at its position and size. "
                    "Not connected: those of the driver's first frame.",
                ),
                io.Float.Input(
                    "translation_ratio",
                    display_name="follow head position",
                    default=0.0,
                    min=-4.0,
                    max=4.0,
                    step=0.05,
                    tooltip="Share of the driver's movement through the picture that is added: 0 = none (as "
                    "published), 1 = all of it.",
                ),
                io.Int.Input(
                    "size",
                    default=0,
                    min=0,
                    max=4096,
                    step=8,
                    tooltip="Shorter side in pixels. 0 = the size of the portrait, which is the sampled "
                    "size.",
                    **RARE,
                ),
            ],
            outputs=[
                io.Image.Output(display_name="head_pose", tooltip="One picture per frame of the track.")
            ],
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def execute(
        cls,
        track: FaceTrack,
        translation_ratio: float,
        size: int,
        portrait_track: FaceTrack | None = None,
        reference: FaceTrack | None = None,
    ) -> io.NodeOutput:
        portrait_track = reference if portrait_track is None else portrait_track  # see OLD_NAMES
        if portrait_track is not None:
            track, notes = alike(track, portrait_track)
            for note in notes:
                notice(cls, note)
        places = driven_translation(track, portrait_track, translation_ratio)
        shown = (
            track if portrait_track is None else portrait_track
        ).size  # the position that is kept is a position in the portrait
        width, height = (round(side * size / min(shown)) if size else side // CELL * CELL for side in shown)
        pictures = empty_images(len(track), height, width)
        for_each(
            len(track), lambda k: put(pictures, k, draw_box(track.rotation[k], places[k], (width, height)))
        )
        return io.NodeOutput(pictures)


class FacePatches(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        window = "224x224 pixels, from one fixed window for the whole clip."
        return schema(
            node_id="SKPortraitFacePatches",
            display_name="Crop Eyes and Mouth",
            category="SK Portrait/face",
            description="Crops eyes, mouth and face from the driver's frames, for Encode Performance and "
            "Read Expression (PD-FGC). You can blur or paint the crops.",
            search_aliases=["mouth", "eyes", "lips", "Face Patches"],
            inputs=[
                io.Image.Input("images", tooltip="The frames of the driver, cropped or not."),
                FaceTrackType.Input("track", tooltip="The track of these frames, one entry per frame."),
            ],
            outputs=[
                io.Image.Output(
                    display_name="left_eye", tooltip=f"The eye and brow on the left of the picture, {window}"
                ),
                io.Image.Output(
                    display_name="right_eye",
                    tooltip=f"The eye and brow on the right of the picture, {window}",
                ),
                io.Image.Output(display_name="mouth", tooltip=f"The mouth, {window}"),
                io.Image.Output(
                    display_name="motion_crop",
                    tooltip="The whole face, rotated upright, 224x224 pixels, for Read Expression (PD-FGC).",
                ),
                FacePatchesType.Output(
                    display_name="patches",
                    tooltip="Both eyes and the mouth on one wire, for Encode Performance.",
                ),
            ],
        )

    @classmethod
    def execute(cls, images: io.Image.Type, track: FaceTrack) -> io.NodeOutput:
        require_rows(track, images)
        plan = plan_patches(track)
        plan.check(images[0])
        pictures = {name: empty_images(len(images), PATCH, PATCH) for name in (*REGIONS, MOTION_CROP)}

        def cut(k: int) -> None:
            for name, picture in plan.cut_part(frame_uint8(images[k][plan.part(k)]), k).items():
                put(pictures[name], k, picture)

        for_each(len(images), cut)
        return io.NodeOutput(*pictures.values(), {name: pictures[name] for name in REGIONS})


class PreviewPatches(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return schema(
            node_id="SKPortraitPreviewPatches",
            display_name="Preview Eyes and Mouth",
            category="SK Portrait/face",
            description="Shows the crops on a patches wire: left eye, right eye and mouth of every frame, "
            "side by side.",
            is_output_node=True,
            search_aliases=["Preview Face Patches"],
            inputs=[FacePatchesType.Input("patches", tooltip="From Crop Eyes and Mouth.")],
            outputs=[
                io.Image.Output(
                    display_name="images",
                    tooltip="One picture per frame, with left eye, right eye and mouth side by side.",
                )
            ],
        )

    @classmethod
    def execute(cls, patches: dict[str, io.Image.Type]) -> io.NodeOutput:
        row = torch.cat([patches[name] for name in REGIONS], dim=2)
        return io.NodeOutput(row, ui=ui.PreviewImage(row, cls=cls))


NODES = [CropPortrait, DrawHeadPose, FacePatches, PreviewPatches]
