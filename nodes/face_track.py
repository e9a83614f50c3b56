"""Nodes that follow a face through a clip."""

import logging

import folder_paths
import torch
from comfy_api.latest import io

from ..face_tools import sources
from ..face_tools.faces import ModelFiles
from ..face_tools.follow import RULES, Choice
from ..face_tools.merge import with_coefficients
from ..face_tools.report import describe
from ..face_tools.track import FaceTrack
from ..face_tools.tracking import ON_MISS, track_faces
from .folders import FACE_TOOLS
from .pixels import frames_uint8
from .progress import ticker
from .schema import schema
from .types import FaceTrackType

log = logging.getLogger(__name__)

SOURCE = io.Combo.Input(
    "source",
    options=[sources.AUTO, *sources.MODULES],
    tooltip="The face tracker. auto takes the HelloMeme ONNX models where they lie in models/face_tools, else MediaPipe. "
    "Use the same one for the reference and the driver. MediaPipe 1.x sends usage metrics to Google, so it only runs if chosen.",
)
FACE = io.Combo.Input(
    "face", options=list(RULES), tooltip="Which face to take in the first frame that shows one; that person is then followed."
)
FACE_NUMBER = io.Int.Input(
    "face_number", default=1, min=1, max=64, tooltip='With face = "by number": 1 is the leftmost in the first frame with a face.'
)
ON_A_MISS = io.Combo.Input(
    "on_miss",
    options=list(ON_MISS),
    tooltip="Frames in which the face is not found: stop and name them, hold the last measured row, or interpolate between the "
    "measured rows. No frame is ever dropped.",
)
COEFFICIENTS = FaceTrackType.Input(
    "coefficients",
    optional=True,
    tooltip="A track whose expression coefficients replace those of the tracker, by time: Import Live Link Face, for one.",
)
OUTPUTS = [
    FaceTrackType.Output(display_name="track", tooltip="One row for every frame: landmarks, head pose, expression coefficients."),
    io.Mask.Output(display_name="measured", tooltip="White where the face was measured, black where the row was bridged."),
    io.String.Output(display_name="report", tooltip="What was found: source, range of head angles, missed frames, notes."),
]


def model_files() -> ModelFiles:
    """The host's folders for face models."""
    return ModelFiles(tuple(folder_paths.get_folder_paths(FACE_TOOLS)))


def outputs(track: FaceTrack, coefficients: FaceTrack | None) -> io.NodeOutput:
    """The three outputs of every tracking node."""
    if coefficients is not None:
        track = with_coefficients(track, coefficients)
    for note in track.notes:
        log.warning("%s", note)
    width, height = track.size
    measured = torch.from_numpy(track.valid).float()[:, None, None].expand(-1, height, width)
    return io.NodeOutput(track, measured, describe(track))


class TrackFace(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return schema(
            node_id="SKPortraitTrackFace",
            display_name="Track Face",
            category="SK Portrait/face",
            description="Follows one face through a clip: landmarks, head pose and, where the tracker gives them, expression "
            "coefficients. One row for every frame.",
            search_aliases=["face landmarks", "head pose", "blendshapes", "driver", "HelloMeme"],
            inputs=[
                io.Image.Input("images", tooltip="The frames of the clip, or one picture (the reference)."),
                io.Float.Input("fps", default=25.0, min=0.1, max=1000.0, step=0.01, tooltip="Frames a second of the clip."),
                SOURCE,
                FACE,
                FACE_NUMBER,
                ON_A_MISS,
                COEFFICIENTS,
            ],
            outputs=OUTPUTS,
        )

    @classmethod
    def execute(cls, images, fps, source, face, face_number, on_miss, coefficients=None) -> io.NodeOutput:
        with sources.open_source(source, model_files()) as tracker:
            frames = frames_uint8(images)
            track = track_faces(frames, tracker, fps, Choice(face, face_number), on_miss, ticker(len(images)))
        return outputs(track, coefficients)


NODES = [TrackFace]
