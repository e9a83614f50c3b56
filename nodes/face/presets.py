"""Nodes for preset expressions: those of the pack, and those that users save."""

from __future__ import annotations

import os

import numpy as np
import torch
from comfy_api.latest import io, ui

from ...drawn_heads import Identity, State, draw
from ...face_tools.recordings import saved_presets
from ...face_tools.track import FaceTrack
from ...face_tools.track_errors import TrackError, TrackSettingError
from ..pixels import frame_uint8, require_rows
from ..schema import schema
from ..types import FaceTrackType
from . import preset_files
from .calibration import straightened

CATEGORY = "SK Portrait/face"
PERSON, SIDE = 11, 2 * saved_presets.PICTURE  # seed of the person and side in pixels of the drawn picture


class PresetExpression(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return schema(
            node_id="SKPortraitPresetExpression",
            display_name="Preset Expression",
            category=CATEGORY,
            description="Makes a track of one frame with the chosen expression, for Mix Face Tracks. Save "
            "Preset Expression adds presets of your own to the list.",
            search_aliases=[
                "facial expression",
                "happy",
                "sad",
                "angry",
                "surprised",
                "smile",
                "emotion",
                "neutral",
                "wink",
            ],
            inputs=[
                io.Combo.Input(
                    "preset",
                    options=preset_files.names(),
                    tooltip="The expression. Press R to list presets that you have just saved.",
                ),
                io.Float.Input(
                    "strength",
                    default=1.0,
                    min=0.0,
                    max=2.0,
                    step=0.05,
                    tooltip="Multiplies the coefficients of the preset, up to 1; a saved head pose is not scaled.",
                ),
            ],
            outputs=[
                FaceTrackType.Output(
                    display_name="track",
                    tooltip="A track of one frame without landmarks. The head looks straight ahead, or as "
                    "in the saved preset.",
                )
            ],
        )

    @classmethod
    def validate_inputs(cls, preset):
        return missing(preset) or True

    @classmethod
    def fingerprint_inputs(cls, preset, **_):
        return preset_files.content_of(preset)

    @classmethod
    def execute(cls, preset: str, strength: float) -> io.NodeOutput:
        return io.NodeOutput(preset_files.preset(preset, strength))


def missing(preset: str) -> str | None:
    """Return the error message if a preset does not exist, otherwise None.

    Presets may be saved or deleted while ComfyUI runs.
    """
    try:
        preset_files.require(preset)
    except TrackError as error:
        return str(error)
    return None


class SavePreset(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return schema(
            node_id="SKPortraitSavePreset",
            display_name="Save Preset Expression",
            category=CATEGORY,
            description="Saves one frame of a track, with a picture, as a preset for Preset Expression and "
            "Expression Editor.",
            search_aliases=["store expression", "my presets", "expression library", "snapshot"],
            is_output_node=True,
            inputs=[
                FaceTrackType.Input(
                    "track",
                    tooltip="The track from which one frame is saved: its expression and its head pose.",
                ),
                io.String.Input(
                    "name",
                    default="my expression",
                    tooltip="Name of the preset in the lists, without path characters.",
                ),
                io.Int.Input(
                    "frame",
                    default=0,
                    min=0,
                    max=100_000,
                    tooltip="Number of the frame to save, counted from 0.",
                ),
                io.Image.Input(
                    "images",
                    optional=True,
                    tooltip="The cropped frames of the track, for the picture of the preset. Not connected: "
                    "the picture is a drawn head.",
                ),
                io.Boolean.Input(
                    "replace",
                    default=False,
                    optional=True,
                    tooltip="On: overwrites a saved preset with the same name. Off: the name must be new.",
                ),
            ],
            outputs=[
                FaceTrackType.Output(
                    display_name="track", tooltip="The saved frame, as a track of one frame."
                )
            ],
        )

    @classmethod
    def execute(
        cls,
        track: FaceTrack,
        name: str,
        frame: int,
        images: io.Image.Type | None = None,
        replace: bool = False,
    ) -> io.NodeOutput:
        if frame >= len(track):
            raise TrackSettingError(
                f"The frame to keep is {frame} and the track has frames 0 to {len(track) - 1}.",
                "frame",
                frame,
            )
        path = preset_files.path_of(name)
        if os.path.exists(path) and not replace:
            raise TrackSettingError(
                f"There is a preset {name.strip()!r} already in {preset_files.folder()}: choose another name, or switch replace on.",
                "name",
                name,
            )
        if images is not None:
            require_rows(track, images)
        moment = straightened(track.rows(slice(frame, frame + 1)))
        picture = _drawn(moment) if images is None else frame_uint8(images[frame])
        os.makedirs(preset_files.folder(), exist_ok=True)
        saved_presets.save(path, moment, picture)
        return io.NodeOutput(
            moment, ui=ui.PreviewImage(torch.from_numpy(picture)[None].float() / 255, cls=cls)
        )


def _drawn(moment: FaceTrack) -> np.ndarray:
    """Draw a synthetic head with the head pose and the expression of one frame."""
    values = np.zeros(51, np.float32) if moment.coefficients is None else moment.coefficients[0]
    return draw(Identity.of(PERSON), State(moment.rotation[0], State().translation, values), SIDE)


NODES = [PresetExpression, SavePreset]
