"""Nodes that change a face track."""

from __future__ import annotations

from comfy_api.latest import io
from comfy_execution.graph_utils import ExecutionBlocker

from ...face_tools.editing.adjust import Rule, adjust, matching_names, parse
from ...face_tools.editing.approximate import NO_FRAME, approximate_coefficients
from ...face_tools.editing.edit import merge_expression, smooth
from ...face_tools.editing.timeline import ENDS, cross_fade, retime
from ...face_tools.track import FaceTrack
from ..pixels import require_memory, require_rows
from ..schema import RARE, schema
from ..types import FaceTrackType
from .calibration import coefficient_order, straightened

CATEGORY = "SK Portrait/face"
AS_IT_IS, STRAIGHT = "as it is", "straight look"
REPLACE, ADD, AFTERWARDS = "take its expression", "add its expression", "play it afterwards"


def _smoothing(name: str, what: str) -> io.Float.Input:
    return io.Float.Input(
        name,
        default=0.0,
        min=0.0,
        max=30.0,
        step=0.1,
        tooltip=f"Smoothing of {what}: standard deviation in frames. 0 = off, 1 to 3 removes jitter; the track is "
        "not delayed.",
    )


def _factor(name: str, label: str, what: str) -> io.Float.Input:
    return io.Float.Input(
        name,
        display_name=label,
        default=1.0,
        min=0.0,
        max=4.0,
        step=0.05,
        tooltip=f"Multiplies {what}: 1 changes nothing.",
    )


def _part(name: str, default: float, tooltip: str) -> io.Float.Input:
    return io.Float.Input(name, default=default, min=0.0, max=1.0, step=0.05, optional=True, tooltip=tooltip)


class EditTrack(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return schema(
            node_id="SKPortraitEditTrack",
            display_name="Edit Face Track",
            category=CATEGORY,
            description="Smooths a track and changes its head pose and coefficients. Edits do not change "
            "the landmarks, nor the eye and mouth crops, which are cut from the video.",
            search_aliases=["smooth face", "blink", "jaw", "blendshapes", "head pose"],
            inputs=[
                FaceTrackType.Input("track", tooltip="The track to change."),
                _smoothing("smooth_pose", "head rotation and position"),
                _smoothing("smooth_expression", "the expression coefficients"),
                _smoothing("smooth_landmarks", "the landmarks, by which eyes and mouth are cropped"),
                _factor("blink", "blink ×", "both eyelids"),
                _factor("jaw", "open mouth ×", "the opening of the jaw"),
                io.String.Input(
                    "edits",
                    default="",
                    multiline=True,
                    tooltip="One edit per line, such as jawOpen*1.2+0.05, mouthSmile=0.4, pitch+10 "
                    "(degrees), or eyeBlink=1 @ 12-14 for frames 12 to 14. Names are ARKit's; a name "
                    "without left or right means both sides, mouth all coefficients of the mouth, all every "
                    "coefficient.",
                ),
                io.Combo.Input(
                    "head_pose_zero",
                    options=[AS_IT_IS, STRAIGHT],
                    default=AS_IT_IS,
                    optional=True,
                    tooltip="straight look: converts a track saved by an older version, so that a head that "
                    "looks straight into the camera has pitch 0. The conversion is exact and comes before "
                    "the edits.",
                    **RARE,
                ),
            ],
            outputs=[
                FaceTrackType.Output(
                    display_name="track", tooltip="The changed track. The input track is not modified."
                )
            ],
        )

    @classmethod
    def execute(
        cls,
        track: FaceTrack,
        smooth_pose: float,
        smooth_expression: float,
        smooth_landmarks: float,
        blink: float,
        jaw: float,
        edits: str,
        head_pose_zero: str = AS_IT_IS,
    ) -> io.NodeOutput:
        if head_pose_zero == STRAIGHT:
            track = straightened(track)
        shortcuts = [
            Rule(matching_names(n), v, 0.0) for n, v in (("eyeBlink", blink), ("jawOpen", jaw)) if v != 1
        ]
        track = smooth(track, smooth_pose, smooth_expression, smooth_landmarks)
        return io.NodeOutput(adjust(track, shortcuts + parse(edits)))


class RetimeTrack(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return schema(
            node_id="SKPortraitRetimeTrack",
            display_name="Retime Face Track",
            category=CATEGORY,
            description="Trims a track, changes its speed or frame rate, or loops it. If you crop eyes and "
            "mouth from its video, connect the video's frames too, so that they stay in step with the track.",
            search_aliases=["loop", "ping-pong", "trim", "speed", "fps"],
            inputs=[
                FaceTrackType.Input("track", tooltip="The track to retime."),
                io.Float.Input(
                    "speed",
                    default=1.0,
                    min=0.01,
                    max=100.0,
                    step=0.01,
                    tooltip="Playback speed: 2 = twice as fast, 0.5 = half as fast.",
                ),
                io.Float.Input(
                    "fps",
                    default=0.0,
                    min=0.0,
                    max=1000.0,
                    step=0.01,
                    tooltip="Frames per second of the new track; 0 keeps the rate.",
                ),
                io.Int.Input(
                    "first", default=0, min=0, max=100_000, tooltip="First frame to keep, counted from 0."
                ),
                io.Int.Input(
                    "last",
                    default=-1,
                    min=-1,
                    max=100_000,
                    tooltip="Last frame to keep, counted from 0; -1 = the last frame of the track.",
                ),
                io.Combo.Input(
                    "ends",
                    options=list(ENDS),
                    tooltip="What follows the last frame. once: the track ends; loop: it starts again; "
                    "ping-pong: it plays backwards.",
                ),
                io.Int.Input(
                    "frames",
                    default=0,
                    min=0,
                    max=100_000,
                    tooltip="Length of the result in frames; 0 = one pass (ping-pong: forwards and "
                    "backwards).",
                ),
                io.Image.Input(
                    "images",
                    optional=True,
                    tooltip="The frames of the track's video, to be retimed with the track.",
                ),
            ],
            outputs=[
                FaceTrackType.Output(
                    display_name="track",
                    tooltip="The retimed track. Values between two frames are interpolated.",
                ),
                io.Image.Output(
                    display_name="images",
                    tooltip="For each frame of the new track, the nearest frame of the video. Empty if "
                    "images is not connected.",
                ),
            ],
        )

    @classmethod
    def execute(
        cls,
        track: FaceTrack,
        speed: float,
        fps: float,
        first: int,
        last: int,
        ends: str,
        frames: int,
        images: io.Image.Type | None = None,
    ) -> io.NodeOutput:
        if images is not None:
            require_rows(track, images)
        result, nearest = retime(
            track, speed, fps or None, first, None if last < 0 else last, ends, frames or None
        )
        if images is None:
            return io.NodeOutput(
                result,
                ExecutionBlocker("Retime Face Track gives images only where its images input is connected."),
            )
        require_memory(len(result), *images.shape[1:3])
        return io.NodeOutput(result, images[nearest.tolist()])


class MixTracks(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return schema(
            node_id="SKPortraitMixTracks",
            display_name="Mix Face Tracks",
            category=CATEGORY,
            description="Combines the head movement of one track with the expression of another, completely "
            "or by part (mouth, eyes, brows, head pose). It can also add an expression, such as a preset, "
            "or play one track after the other.",
            search_aliases=[
                "cross-fade",
                "blend",
                "expression",
                "retarget",
                "only mouth",
                "only eyes",
                "lip sync",
            ],
            inputs=[
                FaceTrackType.Input(
                    "track",
                    tooltip="Its head pose, landmarks and length are kept. With *play it afterwards*: the "
                    "track that plays first.",
                ),
                FaceTrackType.Input(
                    "other",
                    display_name="second track",
                    tooltip="The track whose expression is used, matched by time from its start. With *play "
                    "it afterwards*: the track that plays second.",
                ),
                io.Combo.Input(
                    "mode",
                    options=[REPLACE, ADD, AFTERWARDS],
                    tooltip="Whether the expression of the second track replaces that of the first, is "
                    "added to it, or whether the second track plays afterwards.",
                ),
                io.Float.Input(
                    "strength",
                    default=1.0,
                    min=-2.0,
                    max=2.0,
                    step=0.05,
                    tooltip="How much of the second track's expression is used: 0 = none, 1 = all. Not used "
                    "with *play it afterwards*.",
                ),
                io.Int.Input(
                    "fade",
                    default=8,
                    min=0,
                    max=10_000,
                    tooltip="Only with *play it afterwards*: number of frames over which the two tracks are "
                    "cross-faded.",
                ),
                _part(
                    "mouth",
                    1.0,
                    "Share of the second track's mouth, jaw, nose and puffed cheeks, multiplied by "
                    "strength. 0 keeps those of the first track.",
                ),
                _part(
                    "eyes",
                    1.0,
                    "Share of the second track's eyelids, gaze and raised cheeks, multiplied by strength. 0 "
                    "keeps those of the first track.",
                ),
                _part(
                    "brows",
                    1.0,
                    "Share of the second track's brows, multiplied by strength. 0 keeps those of the first "
                    "track.",
                ),
                _part(
                    "head",
                    0.0,
                    "Share of the second track's head pose: 0 keeps that of the first track, 1 takes that "
                    "of the second. Above 0, both tracks must come from the same tracker.",
                ),
            ],
            outputs=[FaceTrackType.Output(display_name="track", tooltip="The mixed track.")],
        )

    @classmethod
    def execute(
        cls,
        track: FaceTrack,
        other: FaceTrack,
        mode: str,
        strength: float,
        fade: int,
        mouth: float = 1.0,
        eyes: float = 1.0,
        brows: float = 1.0,
        head: float = 0.0,
    ) -> io.NodeOutput:
        if mode == AFTERWARDS:
            return io.NodeOutput(cross_fade(track, other, fade))
        parts = {"mouth": mouth, "eyes": eyes, "brows": brows}
        return io.NodeOutput(merge_expression(track, other, strength, mode == ADD, parts, head))


class ApproximateExpression(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return schema(
            node_id="SKPortraitApproximateExpression",
            display_name="Approximate Expression",
            category=CATEGORY,
            description="Estimates 41 of the 51 expression coefficients (jaw, eyelids, gaze, brows, mouth) "
            "from MediaPipe landmarks, for tracks whose tracker gives none. The other ten are zero.",
            is_experimental=True,
            search_aliases=["blendshapes from landmarks", "ARKit"],
            inputs=[
                FaceTrackType.Input("track", tooltip="A track with MediaPipe landmarks, of any length."),
                FaceTrackType.Input(
                    "neutral",
                    display_name="relaxed face",
                    optional=True,
                    tooltip="A track of the same person with a relaxed face; its coefficients are "
                    "subtracted. Connect it if the person's usual face is mistaken for an expression.",
                ),
                io.Int.Input(
                    "neutral_frame",
                    display_name="relaxed frame",
                    default=NO_FRAME,
                    min=NO_FRAME,
                    max=100_000,
                    optional=True,
                    tooltip="Number of a frame with a relaxed face, counted from 0, in relaxed face if that "
                    "is connected, otherwise in track. -1 = not used.",
                ),
                io.Boolean.Input(
                    "replace",
                    display_name="replace existing coefficients",
                    default=False,
                    optional=True,
                    tooltip="Off: a track that already has coefficients keeps them. On: the estimates "
                    "replace them.",
                ),
            ],
            outputs=[
                FaceTrackType.Output(
                    display_name="track",
                    tooltip="The track with the estimated coefficients, or with its own if they were kept.",
                )
            ],
        )

    @classmethod
    def execute(
        cls,
        track: FaceTrack,
        neutral: FaceTrack | None = None,
        neutral_frame: int = NO_FRAME,
        replace: bool = False,
    ) -> io.NodeOutput:
        result = approximate_coefficients(track, neutral, coefficient_order(), neutral_frame, replace)
        return io.NodeOutput(result)


NODES = [EditTrack, RetimeTrack, MixTracks, ApproximateExpression]
