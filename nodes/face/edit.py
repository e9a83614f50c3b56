"""Nodes that change a track."""

from comfy_api.latest import io
from comfy_execution.graph_utils import ExecutionBlocker

from ...face_tools.editing.adjust import Rule, adjust, matching_names, parse
from ...face_tools.editing.approximate import NO_FRAME, approximate_coefficients
from ...face_tools.editing.edit import merge_expression, smooth
from ...face_tools.editing.timeline import ENDS, cross_fade, retime
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
        tooltip=f"Calms {what}, in frames to each side: 0 is off, 1 to 3 takes out jitter. Nothing lags behind the video.",
    )


def _factor(name: str, label: str, what: str) -> io.Float.Input:
    return io.Float.Input(
        name,
        display_name=label,
        default=1.0,
        min=0.0,
        max=4.0,
        step=0.05,
        tooltip=f"{what} times this: 1 changes nothing.",
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
            description="Smooths a track and changes its numbers. Landmarks, and so the eye and mouth patches cut from the video, "
            "keep what the video shows.",
            search_aliases=["smooth face", "blink", "jaw", "blendshapes", "head pose"],
            inputs=[
                FaceTrackType.Input("track", tooltip="The track to change."),
                _smoothing("smooth_pose", "the head's rotation and place"),
                _smoothing("smooth_expression", "the expression coefficients"),
                _smoothing("smooth_landmarks", "the landmarks, by which patches are cut"),
                _factor("blink", "blink ×", "Both eyelids"),
                _factor("jaw", "open mouth ×", "The opening of the jaw"),
                io.String.Input(
                    "edits",
                    default="",
                    multiline=True,
                    tooltip="One edit a line: jawOpen*1.2+0.05, mouthSmile=0.4, yaw*0.5, pitch+10 (degrees), or only some frames: "
                    "eyeBlink=1 @ 12-14. Names are ARKit's; eyeBlink means both eyes, mouth all of the mouth, all everything.",
                ),
                io.Combo.Input(
                    "head_pose_zero",
                    options=[AS_IT_IS, STRAIGHT],
                    default=AS_IT_IS,
                    optional=True,
                    tooltip="straight look: converts a track saved by an older version, so that a head that "
                    "looks straight into the camera has pitch 0. Exact, and done before the edits.",
                    **RARE,
                ),
            ],
            outputs=[
                FaceTrackType.Output(
                    display_name="track", tooltip="The changed track; what came in stays as it was."
                )
            ],
        )

    @classmethod
    def execute(
        cls,
        track,
        smooth_pose,
        smooth_expression,
        smooth_landmarks,
        blink,
        jaw,
        edits,
        head_pose_zero=AS_IT_IS,
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
            description="Trims a track, changes its speed or frame rate, loops it. Wire its video through as well where patches are "
            "cut from it: row k of a track belongs to frame k of its video.",
            search_aliases=["loop", "ping-pong", "trim", "speed", "fps"],
            inputs=[
                FaceTrackType.Input("track", tooltip="The track to retime."),
                io.Float.Input(
                    "speed", default=1.0, min=0.01, max=100.0, step=0.01, tooltip="2 is twice as fast."
                ),
                io.Float.Input(
                    "fps",
                    default=0.0,
                    min=0.0,
                    max=1000.0,
                    step=0.01,
                    tooltip="New frames per second; 0 keeps the rate.",
                ),
                io.Int.Input(
                    "first", default=0, min=0, max=100_000, tooltip="First frame to keep, counted from 0."
                ),
                io.Int.Input(
                    "last", default=-1, min=-1, max=100_000, tooltip="Last frame to keep; -1 is the end."
                ),
                io.Combo.Input(
                    "ends",
                    options=list(ENDS),
                    tooltip="After the last frame: nothing, the first frame again, or the way back.",
                ),
                io.Int.Input(
                    "frames",
                    default=0,
                    min=0,
                    max=100_000,
                    tooltip="Length of the result; 0 is one pass (ping-pong: there and back).",
                ),
                io.Image.Input("images", optional=True, tooltip="The track's video, to be retimed with it."),
            ],
            outputs=[
                FaceTrackType.Output(
                    display_name="track", tooltip="The retimed track, rows between frames interpolated."
                ),
                io.Image.Output(
                    display_name="images",
                    tooltip="The video's nearest frame for every row, where images were wired.",
                ),
            ],
        )

    @classmethod
    def execute(cls, track, speed, fps, first, last, ends, frames, images=None) -> io.NodeOutput:
        if images is not None:
            require_rows(track, images)
        result, nearest = retime(
            track, speed, fps or None, first, None if last < 0 else last, ends, frames or None
        )
        if images is None:
            return io.NodeOutput(
                result,
                ExecutionBlocker("Retime Face Track gives images only where its images input is wired."),
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
            description="Puts the expression of one track on the head of another, wholly or by part (mouth, eyes, brows, head pose), "
            "adds an expression (a preset, say), or plays one track after the other.",
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
                    "track", tooltip="Gives head pose, landmarks and length; or plays first."
                ),
                FaceTrackType.Input(
                    "other",
                    display_name="second track",
                    tooltip="Gives the expression, at the same time from its start; or plays afterwards.",
                ),
                io.Combo.Input(
                    "mode",
                    options=[REPLACE, ADD, AFTERWARDS],
                    tooltip="Take the other's expression in place of the track's own, add it on top, or play the other track afterwards.",
                ),
                io.Float.Input(
                    "strength",
                    default=1.0,
                    min=-2.0,
                    max=2.0,
                    step=0.05,
                    tooltip="How much of the other's expression: 0 none, 1 all. Unused when it plays afterwards.",
                ),
                io.Int.Input(
                    "fade",
                    default=8,
                    min=0,
                    max=10_000,
                    tooltip="Frames over which the two overlap when the other plays afterwards.",
                ),
                _part(
                    "mouth",
                    1.0,
                    "How much of the other's mouth, jaw, nose and puffed cheeks, times strength.",
                ),
                _part(
                    "eyes", 1.0, "How much of the other's eyelids, gaze and raised cheeks, times strength."
                ),
                _part("brows", 1.0, "How much of the other's brows, times strength."),
                _part(
                    "head",
                    0.0,
                    "How much of the other's head pose: 0 keeps the own one, 1 takes the other's. Both tracks must come from one tracker.",
                ),
            ],
            outputs=[FaceTrackType.Output(display_name="track", tooltip="The mixed track.")],
        )

    @classmethod
    def execute(
        cls, track, other, mode, strength, fade, mouth=1.0, eyes=1.0, brows=1.0, head=0.0
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
            description="Estimates 41 of the 51 coefficients (jaw, eyelids, gaze, brows, mouth) from "
            "MediaPipe landmarks, for tracks whose tracker gives none. The other ten are zero.",
            is_experimental=True,
            search_aliases=["blendshapes from landmarks", "ARKit"],
            inputs=[
                FaceTrackType.Input("track", tooltip="A track with MediaPipe landmarks, of any length."),
                FaceTrackType.Input(
                    "neutral",
                    display_name="relaxed face",
                    optional=True,
                    tooltip="A track of the same person with a relaxed face, whose expression becomes zero. "
                    "Connect it if the person's usual face is mistaken for an expression.",
                ),
                io.Int.Input(
                    "neutral_frame",
                    display_name="relaxed frame",
                    default=NO_FRAME,
                    min=NO_FRAME,
                    max=100_000,
                    optional=True,
                    tooltip="Frame with a relaxed face, counted from 0: in neutral if it is connected, "
                    "otherwise in track. -1: none is chosen.",
                ),
                io.Boolean.Input(
                    "replace",
                    display_name="replace existing coefficients",
                    default=False,
                    optional=True,
                    tooltip="Off: a track that has coefficients keeps them. On: estimates replace them.",
                ),
            ],
            outputs=[
                FaceTrackType.Output(
                    display_name="track",
                    tooltip="The track with estimated coefficients, or with those that it had.",
                )
            ],
        )

    @classmethod
    def execute(cls, track, neutral=None, neutral_frame=NO_FRAME, replace=False) -> io.NodeOutput:
        result = approximate_coefficients(track, neutral, coefficient_order(), neutral_frame, replace)
        return io.NodeOutput(result)


NODES = [EditTrack, RetimeTrack, MixTracks, ApproximateExpression]
