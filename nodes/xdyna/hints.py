"""The nodes X-Dyna Face Crop, which makes pictures of the driving face, and Apply X-Dyna ControlNet, which
adds both ControlNets to the conditioning.
"""

from __future__ import annotations

import numpy as np
import torch
from comfy_api.latest import io

from ...errors import EmptyClipError, MissingInputError, ModelError, SizeError
from ...face_tools.track import FaceTrack
from ...face_tools.track_errors import FrameSizeError
from ...face_tools.trackers.schemes import scheme_of
from ...systems.xdyna import hints, sface
from ..checks import require_frames
from ..pixels import empty_images, require_pictures, require_rows
from ..progress import ticker
from ..schema import schema
from ..types import FaceTrackType

HELD, BLANK = "as they were held", "black"


class SFaceCrop(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return schema(
            node_id="SKPortraitSFaceCrop",
            display_name="X-Dyna Face Crop",
            category="SK Portrait/face",
            description="Crops the driver's frames to the sampled aspect ratio and makes the two pictures "
            "for X-Dyna's S-Face ControlNet: eyes and mouth, and the whole face. Both are at their "
            "positions in the frame, on black.",
            search_aliases=["X-Dyna", "S-Face", "face control", "S-Face Crop"],
            inputs=[
                io.Image.Input("images", tooltip="The tracked frames of the driver."),
                FaceTrackType.Input(
                    "track", tooltip="The track of these frames, from any tracker, one entry per frame."
                ),
                io.Int.Input(
                    "width",
                    default=512,
                    min=64,
                    max=4096,
                    step=8,
                    tooltip="Width of the sampled video, pixels.",
                ),
                io.Int.Input(
                    "height",
                    default=896,
                    min=64,
                    max=4096,
                    step=8,
                    tooltip="Height of the sampled video, pixels.",
                ),
                io.Combo.Input(
                    "lost_faces",
                    display_name="if the face is lost",
                    options=[HELD, BLANK],
                    tooltip="If no face was found in a frame: crop at the position that the track repeats "
                    "or interpolates, or give black pictures (as in the official code).",
                ),
            ],
            outputs=[
                io.Image.Output(
                    display_name="eyes and mouth",
                    tooltip="Eyes and mouth at their positions, on black, for Apply X-Dyna ControlNet.",
                ),
                io.Image.Output(
                    display_name="whole face",
                    tooltip="The whole face at its position, on black, for Apply X-Dyna ControlNet.",
                ),
                io.Image.Output(
                    display_name="images",
                    tooltip="The frames in the sampled aspect ratio and size. Detect the body pose in these.",
                ),
            ],
        )

    @classmethod
    def execute(
        cls, images: io.Image.Type, track: FaceTrack, width: int, height: int, lost_faces: str
    ) -> io.NodeOutput:
        require_rows(track, images)
        require_pictures(images, "images")
        size = images.shape[2], images.shape[1]
        if track.size != size:
            raise FrameSizeError(
                f"The frames are {size[0]}x{size[1]} px and the track was made in {track.size[0]}x{track.size[1]} px.",
                size,
                track.size,
            )
        left, top, cut_width, cut_height = hints.ratio_crop(size, (width, height))
        faces = faces_of(track, (left, top), (width / cut_width, height / cut_height), lost_faces == HELD)
        crops = sface.crops(faces, (width, height))
        tick = ticker(len(images))
        frames, local, whole = (empty_images(len(images), height, width) for _ in range(3))
        for k, image in enumerate(images):
            part = image[None, top : top + cut_height, left : left + cut_width, :3].movedim(-1, 1).float()
            frames[k] = torch.nn.functional.interpolate(part, (height, width), mode="bilinear")[0].movedim(
                0, -1
            )
            local[k], whole[k] = crops.local(frames[k], k), crops.whole(frames[k], k)
            tick(k + 1)
        return io.NodeOutput(local, whole, frames)


def faces_of(track, corner: tuple[int, int], scale: tuple[float, float], held: bool) -> sface.Faces:
    """Return the faces of a track in a crop of the frame that starts at
    `corner` (x, y) and is scaled by `scale` (x, y).

    held: treat frames without a detected face as detected, at the track's repeated position.
    """
    scheme = scheme_of(track.scheme)
    points = (track.landmarks[..., :2] - np.asarray(corner)) * np.asarray(scale)
    face = points[:, list(scheme.face)]
    right_eye, left_eye = scheme.eyes[::-1]
    centres = np.stack(
        [points[:, list(part)].mean(1) for part in (right_eye, left_eye, scheme.mouth)], axis=1
    )
    found = np.ones_like(track.valid) if held else track.valid
    return sface.Faces(found, np.concatenate([face.min(1), face.max(1)], axis=1), centres)


class XDynaHints(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return schema(
            node_id="SKPortraitXDynaHints",
            display_name="Apply X-Dyna ControlNet",
            category="SK Portrait/encode",
            description="Adds X-Dyna's ControlNets to the conditioning: body pose, face, or both. The "
            "values of each input are stretched to the full range, as in training.",
            search_aliases=["X-Dyna", "S-Face", "pose", "apply controlnet", "X-Dyna Hints"],
            inputs=[
                io.Conditioning.Input(
                    "positive", tooltip="The positive prompt; the authors use an empty one."
                ),
                io.Conditioning.Input(
                    "negative", tooltip="The negative prompt; the authors use an empty one."
                ),
                io.Float.Input(
                    "pose_strength",
                    default=1.0,
                    min=0.0,
                    max=2.0,
                    step=0.01,
                    tooltip="Strength of the pose ControlNet: 1 = as published, 0 = off.",
                ),
                io.Float.Input(
                    "face_strength",
                    default=1.0,
                    min=0.0,
                    max=2.0,
                    step=0.01,
                    tooltip="Strength of the face ControlNet: 1 = as published, 0 = off.",
                ),
                io.ControlNet.Input(
                    "pose_control",
                    optional=True,
                    tooltip="X-Dyna's pose ControlNet, from Load X-Dyna ControlNet.",
                ),
                io.Image.Input(
                    "pose",
                    optional=True,
                    tooltip="Body skeletons in OpenPose's colours on black, without the points of the head, "
                    "one per frame, in the sampled aspect ratio.",
                ),
                io.ControlNet.Input(
                    "face_control",
                    optional=True,
                    tooltip="X-Dyna's S-Face ControlNet, from Load X-Dyna ControlNet.",
                ),
                io.Image.Input(
                    "local",
                    display_name="eyes and mouth",
                    optional=True,
                    tooltip="From X-Dyna Face Crop: eyes and mouth, one picture per frame.",
                ),
                io.Image.Input(
                    "whole",
                    display_name="whole face",
                    optional=True,
                    tooltip="From X-Dyna Face Crop: the whole face, one picture per frame.",
                ),
            ],
            outputs=[
                io.Conditioning.Output(display_name="positive", tooltip="For the sampler."),
                io.Conditioning.Output(display_name="negative", tooltip="For the sampler."),
            ],
        )

    @classmethod
    def execute(
        cls,
        positive: io.Conditioning.Type,
        negative: io.Conditioning.Type,
        pose_strength: float,
        face_strength: float,
        pose_control: io.ControlNet.Type | None = None,
        pose: io.Image.Type | None = None,
        face_control: io.ControlNet.Type | None = None,
        local: io.Image.Type | None = None,
        whole: io.Image.Type | None = None,
    ) -> io.NodeOutput:
        require_whole("pose", {"pose_control": pose_control, "pose": pose})
        require_whole("face", {"face_control": face_control, "local": local, "whole": whole})
        for name, images in {"pose": pose, "local": local, "whole": whole}.items():
            if images is not None:
                require_clip(images, name)
        conds = positive, negative
        if pose is not None and pose_strength:
            conds = controlled(conds, pose_control, hints.stretched(pose[..., :3]), pose_strength, "pose")
        if local is not None and whole is not None and face_strength:
            require_frames("local picture", len(local), "picture of the whole face", len(whole))
            if local.shape[1:3] != whole.shape[1:3]:
                shapes = " and ".join(f"{images.shape[2]}x{images.shape[1]}" for images in (local, whole))
                raise SizeError(
                    f"The local and the whole picture are {shapes} px: connect both of one X-Dyna Face Crop.",
                    (whole.shape[2], whole.shape[1]),
                    (local.shape[2], local.shape[1]),
                )
            hint = hints.face_hint(local[..., :3], whole[..., :3])
            conds = controlled(conds, face_control, hint, face_strength, "S-Face")
        return io.NodeOutput(*conds)


def require_whole(what: str, wires: dict) -> None:
    """Raise MissingInputError if only some of the inputs that belong together are connected."""
    missing = [name for name, value in wires.items() if value is None]
    if missing and len(missing) < len(wires):
        raise MissingInputError(
            f"The {what} ControlNet needs all of {', '.join(wires)}; not connected: {', '.join(missing)}. "
            "Connect them, or disconnect all.",
            tuple(missing),
        )


def require_clip(images: torch.Tensor, what: str) -> None:
    """Raise an error unless there is at least one picture, with finite values."""
    require_pictures(images, what)
    if not len(images):
        raise EmptyClipError(f"picture in {what}")


def controlled(conds, control, pictures: torch.Tensor, strength: float, kind: str):
    """Add a ControlNet to conditionings.

    pictures: (F, H, W, C) 0..1. Raises ModelError if the ControlNet needs another number of channels.
    """
    block = getattr(getattr(control, "control_model", None), "input_hint_block", None)
    if block is None:
        raise ModelError(
            f"The {kind} ControlNet is not one of SD1.5: load it with Load X-Dyna ControlNet.",
            type(control).__name__,
        )
    channels = next(block.parameters()).shape[1]
    if channels != pictures.shape[-1]:
        raise ModelError(
            f"The {kind} ControlNet must take {pictures.shape[-1]} channels; this one takes {channels}. Check whether "
            "pose_control and face_control are swapped.",
            channels,
        )
    hint, chained, result = pictures.movedim(-1, 1), {}, []
    for cond in conds:
        entries = []
        for embedding, settings in cond:
            earlier = settings.get("control")
            if earlier not in chained:  # ComfyUI batches cond and uncond only if both hold the same object
                chained[earlier] = control.copy().set_cond_hint(hint, strength)
                chained[earlier].set_previous_controlnet(earlier)
            entries.append(
                [embedding, settings | {"control": chained[earlier], "control_apply_to_uncond": False}]
            )
        result.append(entries)
    return tuple(result)


NODES = [SFaceCrop, XDynaHints]
