"""The node that draws a synthetic head from a face track, as a preview before sampling."""

from __future__ import annotations

import numpy as np
import torch
from comfy_api.latest import io

from ...drawn_heads import Identity, State, draw, masks, states_of, truth
from ...face_tools.track import FaceTrack
from ..face.calibration import straightened
from ..notice import notice
from ..pixels import empty_images, put
from ..progress import ticker
from ..schema import schema
from ..types import FaceTrackType


def _angle(name: str, label: str, reach: float, what: str) -> io.Float.Input:
    return io.Float.Input(
        name,
        display_name=label,
        default=0.0,
        min=-reach,
        max=reach,
        step=1.0,
        tooltip=f"Angle in degrees: positive, {what}. Used only if no track is connected.",
    )


def _share(name: str, label: str, what: str, low: float = 0.0) -> io.Float.Input:
    return io.Float.Input(
        name,
        display_name=label,
        default=0.0,
        min=low,
        max=1.0,
        step=0.05,
        tooltip=f"{what} Used only if no track is connected.",
    )


class DrawnHead(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return schema(
            node_id="SKPortraitDrawnHead",
            display_name="Draw Cartoon Head",
            category="SK Portrait/face",
            description="Draws a cartoon head with the pose and expression of a track, or of the sliders. "
            "Use it to check a track before sampling, or as a test image or driver whose values are exactly "
            "known.",
            search_aliases=[
                "character",
                "cartoon",
                "puppet",
                "avatar",
                "test card",
                "preview track",
                "Drawn Head",
            ],
            inputs=[
                io.Int.Input(
                    "person",
                    default=11,
                    min=0,
                    max=2**32 - 1,
                    control_after_generate=False,
                    tooltip="Number of the person to draw: each number gives another face, hair and shirt.",
                ),
                io.Int.Input(
                    "size",
                    default=512,
                    min=64,
                    max=2048,
                    step=8,
                    tooltip="Width and height of the pictures in pixels.",
                ),
                _angle("pitch", "nod (+ down)", 45.0, "the nose goes down"),
                _angle("yaw", "turn (+ right)", 60.0, "the nose goes to the right of the picture"),
                _angle("roll", "tilt (+ left)", 45.0, "the head leans counter-clockwise"),
                _share("blink", "blink", "How far both eyes are closed."),
                _share("jaw_open", "open mouth", "How far the mouth is open."),
                _share("smile", "smile", "How far both corners of the mouth are raised."),
                _share("pucker", "pucker lips", "How far the lips are drawn together."),
                _share("brows", "brows (+ up)", "Raises the brows; below 0 lowers them.", low=-1.0),
                _share(
                    "gaze_x",
                    "look sideways (+ right)",
                    "Gaze direction: above 0 to the right of the picture, below 0 to the left.",
                    low=-1.0,
                ),
                _share(
                    "gaze_y",
                    "look up or down (+ up)",
                    "Gaze direction: above 0 up, below 0 down.",
                    low=-1.0,
                ),
                FaceTrackType.Input(
                    "track",
                    optional=True,
                    tooltip="Sets head pose, position and expression, one picture per frame. Crop the track "
                    "with Crop Portrait first; a track of uncropped frames shows only the middle square of "
                    "the frame.",
                ),
            ],
            outputs=[
                io.Image.Output(
                    display_name="images",
                    tooltip="One picture per frame of the track; a single picture without a track.",
                ),
                FaceTrackType.Output(
                    display_name="track",
                    tooltip="The exact track of the drawn head: landmarks, pose and coefficients.",
                ),
                io.Mask.Output(
                    display_name="eyes_and_mouth", tooltip="Mask: white where the eyes and the mouth are."
                ),
            ],
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def execute(
        cls,
        person: int,
        size: int,
        pitch: float,
        yaw: float,
        roll: float,
        blink: float,
        jaw_open: float,
        smile: float,
        pucker: float,
        brows: float,
        gaze_x: float,
        gaze_y: float,
        track: FaceTrack | None = None,
    ) -> io.NodeOutput:
        who = Identity.of(person)
        if track is None:
            states, fps = (
                [_from_sliders((pitch, yaw, roll), blink, jaw_open, smile, pucker, brows, gaze_x, gaze_y)],
                25.0,
            )
        else:
            straight = straightened(track)
            if straight is not track:
                notice(cls, "The track counts pitch from another zero: a straight look is drawn at 0.")
            states, fps = states_of(straight), track.fps
        tick = ticker(len(states))
        images, marked = empty_images(len(states), size, size), torch.empty(len(states), size, size)
        for k, state in enumerate(states):
            put(images, k, draw(who, state, size))
            put(marked, k, masks(who, state, size))
            tick(k + 1)
        return io.NodeOutput(images, truth(who, states, size, fps), marked)


def _from_sliders(degrees, blink, jaw_open, smile, pucker, brows, gaze_x, gaze_y) -> State:
    """Convert the slider values to a State.

    Gaze to the right of the picture is outwards for the subject's left eye and inwards for the right one.
    """
    up, down, right, left = (float(np.clip(v, 0, 1)) for v in (gaze_y, -gaze_y, gaze_x, -gaze_x))
    both = {
        "eyeBlink": blink, "mouthSmile": smile, "browOuterUp": max(brows, 0), "browDown": max(-brows, 0),
        "eyeLookUp": up, "eyeLookDown": down,
    }  # fmt: skip
    values = {name + side: value for name, value in both.items() for side in ("Left", "Right")}
    values |= {
        "eyeLookOutLeft": right,
        "eyeLookInRight": right,
        "eyeLookInLeft": left,
        "eyeLookOutRight": left,
    }
    return State.named(degrees, jawOpen=jaw_open, mouthPucker=pucker, browInnerUp=max(brows, 0), **values)


NODES = [DrawnHead]
