"""The expression editor: sliders, with the warped portrait as their preview."""

from __future__ import annotations

import numpy as np
from comfy_api.latest import io, ui

from ...errors import SingleInputError
from ...face_tools.editing import poses
from ...face_tools.geometry import bounding_box
from ...face_tools.pictures.puppet import Puppet
from ...face_tools.track import FaceTrack
from ..notice import notice
from ..pixels import empty_images, frames_uint8, put
from ..progress import ticker
from ..schema import RARE, schema
from ..types import FaceTrackType
from . import preset_files
from .presets import missing

NO_PRESET = "none"

# Slider -> its label, its tooltip.
TEXTS = {
    "pitch": ("nod (+ down)", "Nods the head, degrees: above 0 the nose goes down."),
    "yaw": ("turn (+ right)", "Turns the head, degrees: above 0 the nose goes to the right of the picture."),
    "roll": ("tilt (+ left)", "Tilts the head, degrees: above 0 its top goes to the left of the picture."),
    "blink_left": ("blink left eye", "Closes the person's left eye; below 0 opens it wide."),
    "blink_right": ("blink right eye", "Closes the person's right eye; below 0 opens it wide."),
    "look_sideways": (
        "look sideways (+ right)",
        "Gaze direction: 1 = right, -1 = left, as seen in the picture.",
    ),
    "look_up": ("look up or down (+ up)", "Gaze direction: 1 = up, -1 = down."),
    "brows": ("brows (+ up)", "Raises the brows; below 0 lowers them to a frown."),
    "jaw": ("open mouth", "Opens the mouth."),
    "smile": ("smile", "Makes the mouth smile; below 0 lowers its corners."),
    "pucker": ("pucker lips", "Puckers the lips."),
}


def _slider(name: str) -> io.Float.Input:
    low, high = poses.slider(name)
    label, text = TEXTS[name]
    return io.Float.Input(
        name,
        display_name=label,
        default=0.0,
        min=low,
        max=high,
        step=0.5 if name in poses.ANGLES else 0.01,
        display_mode=io.NumberDisplay.slider,
        tooltip=f"{text} 0 keeps the portrait's own.",
    )


class ExpressionEditor(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return schema(
            node_id="SKPortraitExpressionEditor",
            display_name="Expression Editor",
            category="SK Portrait/face",
            description="Gives a portrait an expression and a head pose with sliders, and shows the warped "
            "portrait as a preview before sampling. Key poses make a clip.",
            search_aliases=[
                "facial expression",
                "expression slider",
                "LivePortrait",
                "face pose",
                "gaze",
                "eye direction",
                "look at",
                "sliders",
                "live portrait",
                "smile",
                "blink",
                "head pose",
                "key frames",
            ],
            is_output_node=True,
            inputs=[
                io.Image.Input("portrait", tooltip="The cropped portrait, from Crop Portrait."),
                FaceTrackType.Input("track", tooltip="The portrait's track, from Crop Portrait."),
                *(_slider(name) for name in poses.NAMES),
                io.String.Input(
                    "key_poses",
                    default="",
                    multiline=True,
                    tooltip="Empty: one picture. For a clip, one pose per line as SECONDS: NAME=VALUE, such "
                    "as `0.8: jaw=1 yaw=15`; values that a pose does not name come from the sliders.",
                ),
                io.Boolean.Input(
                    "loop",
                    default=False,
                    tooltip="Only with key poses: the clip returns to its first pose, so that it can be "
                    "repeated.",
                    **RARE,
                ),
                io.Float.Input(
                    "fps",
                    default=15.0,
                    min=1.0,
                    max=120.0,
                    step=1.0,
                    tooltip="Only with key poses: frames per second of the clip.",
                    **RARE,
                ),
                io.Combo.Input(
                    "preset",
                    options=[NO_PRESET, *preset_files.names()],
                    default=NO_PRESET,
                    optional=True,
                    tooltip="An expression of the pack or one that you have saved; the sliders are added to "
                    "it. The preset's head pose is not used.",
                ),
                io.Float.Input(
                    "preset_strength",
                    default=1.0,
                    min=0.0,
                    max=2.0,
                    step=0.05,
                    optional=True,
                    tooltip="Multiplies the preset's coefficients: 0 = no effect, 1 = as saved.",
                ),
            ],
            outputs=[
                FaceTrackType.Output(
                    display_name="track",
                    tooltip="The track of the posed face: one frame, or all frames of the clip.",
                ),
                io.Image.Output(
                    display_name="preview", tooltip="The warped portrait, one picture per frame of the track."
                ),
            ],
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def validate_inputs(cls, preset=NO_PRESET):
        return preset == NO_PRESET or missing(preset) or True

    @classmethod
    def fingerprint_inputs(cls, preset=NO_PRESET, **_):
        return preset if preset == NO_PRESET else preset_files.content_of(preset)

    @classmethod
    def execute(
        cls,
        portrait: io.Image.Type,
        track: FaceTrack,
        key_poses: str,
        loop: bool,
        fps: float,
        preset: str = NO_PRESET,
        preset_strength: float = 1.0,
        **sliders: float,
    ) -> io.NodeOutput:
        if len(portrait) != 1 or len(track) != 1:
            raise SingleInputError(
                f"The portrait is one picture with one frame of track; there are {len(portrait)} pictures and "
                f"{len(track)} frames.",
                max(len(portrait), len(track)),
            )
        puppet = Puppet(next(frames_uint8(portrait)), track)
        clip = poses.clip(sliders, poses.key_poses(key_poses), fps, loop)
        own = np.zeros(51, np.float32) if track.coefficients is None else track.coefficients[0]
        added = np.stack([poses.coefficients(pose) for pose in clip])
        if preset != NO_PRESET:
            added = added + preset_files.preset(preset, preset_strength).coefficients
        # A slider at 0 leaves even values outside 0..1 unchanged.
        wanted = np.where(added == 0, own, np.clip(own + added, 0, 1))
        asked = np.stack([poses.turn(pose) for pose in clip])
        turns = poses.reachable(asked, puppet.pose)
        for text in poses.shortfalls(asked, puppet.pose):
            notice(cls, text)
        tick, pictures = ticker(len(clip)), empty_images(len(clip), *portrait.shape[1:3])
        for k, (change, turn) in enumerate(zip(wanted - own, turns)):
            if change.any() or turn.any():
                put(pictures, k, puppet.draw(change, turn))
            else:
                pictures[k] = portrait[0, ..., :3]
            tick(k + 1)
        landmarks = np.stack([puppet.moved(change, turn) for change, turn in zip(wanted - own, turns)])
        return io.NodeOutput(
            posed(track, landmarks, turns, wanted, fps), pictures, ui=ui.PreviewImage(pictures, cls=cls)
        )


def posed(
    track: FaceTrack, landmarks: np.ndarray, turns: np.ndarray, coefficients: np.ndarray, fps: float
) -> FaceTrack:
    """Return the portrait's track with one frame per pose.

    landmarks: (F, P, 3) pixels; turns: (F, 3) radians, added to
    the portrait's rotation; coefficients: (F, 51).
    """
    rows = track.rows(np.zeros(len(landmarks), int))
    return rows.replace(
        fps=fps,
        landmarks=landmarks,
        box=bounding_box(landmarks),
        rotation=(rows.rotation + turns).astype(np.float32),
        coefficients=coefficients.astype(np.float32),
    )


NODES = [ExpressionEditor]
