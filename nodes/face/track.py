"""Nodes that track a face through a clip."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import folder_paths
import numpy as np
import torch
from comfy_api.latest import io

from ...errors import FrameCountError
from ...face_tools.editing.edit import merge_expression
from ...face_tools.pictures.crop import Clip
from ...face_tools.pictures.leaving import leaving_notes
from ...face_tools.report import describe
from ...face_tools.track import FaceTrack
from ...face_tools.trackers import sources
from ...face_tools.trackers.faces import ModelFiles, Source
from ...face_tools.trackers.follow import ON_CUT, RULES, Choice
from ...face_tools.trackers.host_landmarks import NAME as COMFYUI
from ...face_tools.trackers.host_landmarks import HostLandmarks
from ...face_tools.trackers.tracking import ON_MISS, track_faces
from ..folders import FACE_TOOLS
from ..notice import notice
from ..pixels import empty_images, frames_uint8, put
from ..progress import ahead, ticker
from ..schema import RARE, schema
from ..types import CropType, FaceTrackType
from .calibration import coefficient_order, pitch_zero
from .crop_inputs import CROP, CROP_INPUTS, FIXED, crop_of
from .host_tracker import HostTracker
from .video_input import open_video

SOURCE = io.Combo.Input(
    "source",
    display_name="tracker",
    options=[sources.AUTO, *sources.MODULES],
    tooltip="The face tracker; use the same one for reference and driver. auto uses the HelloMeme ONNX "
    "models if they are in models/face_tools, otherwise MediaPipe (MediaPipe 1.x sends usage metrics to "
    "Google, see the help page).",
)
FPS = io.Float.Input(
    "fps", default=25.0, min=0.1, max=1000.0, step=0.01, tooltip="Frames per second of the clip."
)
WHICH = [
    io.Combo.Input(
        "face",
        display_name="which face",
        options=list(RULES),
        tooltip="Which face to take in the first frame that shows one. That person is followed through the "
        "clip.",
    ),
    io.Int.Input(
        "face_number",
        default=1,
        min=1,
        max=64,
        tooltip='Only with "by number": number of the face in the first frame that shows one, counted from the left; 1 = leftmost.',
        **RARE,
    ),
    io.Combo.Input(
        "on_miss",
        display_name="if the face is lost",
        options=list(ON_MISS),
        tooltip="If the face is not found in a frame: stop with an error that names the frames, hold "
        "(repeat) the last detected frame, or interpolate between detected frames. No frame is dropped.",
    ),
]
DETECTOR = io.Custom("FACE_DETECTION_MODEL,FACE_LANDMARKER").Input(
    "face_detection_model",
    optional=True,
    tooltip="From ComfyUI's own node Load Face Detection Model (MediaPipe), ComfyUI 0.23 and later; it "
    "needs no package. If connected, it is used instead of the tracker chosen above.",
)
COEFFICIENTS = FaceTrackType.Input(
    "coefficients",
    display_name="replace expression with",
    optional=True,
    tooltip="A track, for example from Import Live Link Face, whose expression replaces that of the "
    "tracker. It is matched by time.",
)
CUT = io.Combo.Input(
    "on_cut",
    display_name="at a cut to another person",
    options=list(ON_CUT),
    default=ON_CUT[0],
    optional=True,
    tooltip="If the clip cuts to another person: follow the new person, stop with an error, or hold: "
    "treat the other person as a lost face until the first one returns. The report names the frames.",
)
TRACK = FaceTrackType.Output(
    display_name="track",
    tooltip="The track, one entry per frame: landmarks, head pose, expression coefficients.",
)
DETECTED = io.Mask.Output(
    display_name="face found",
    tooltip="Mask per frame: white = the face was detected, black = the frame was repeated or interpolated.",
)
REPORT = io.String.Output(
    display_name="report",
    tooltip="Summary of the track: tracker, range of head angles, missed frames, notes.",
)


def model_files() -> ModelFiles:
    """Return ComfyUI's folders for face models."""
    return ModelFiles(tuple(folder_paths.get_folder_paths(FACE_TOOLS)))


def tracker_of(source: str, face_detection_model) -> Source:
    """Open ComfyUI's own landmarker if it is connected, otherwise the tracker `source`.

    Raises TrackError if it cannot run.
    """
    if face_detection_model is not None:
        return HostTracker(face_detection_model, coefficient_order(), pitch_zero(COMFYUI))
    return sources.open_source(source, model_files())


def finished(node, track: FaceTrack, coefficients: FaceTrack | None) -> tuple[FaceTrack, str]:
    """Return the track, with the recorded coefficients if there are any, and its report.

    Shows the track's notes on the node.
    """
    if coefficients is not None:
        track = merge_expression(track, coefficients)
    for note in track.notes:
        notice(node, note)
    return track, describe(track)


def measured_mask(track: FaceTrack) -> torch.Tensor:
    """Return a MASK (F, H, W), 1 in frames where the face was detected, 0 elsewhere.

    It is a view that stores one number per frame.
    """
    width, height = track.size
    return torch.from_numpy(track.valid).float()[:, None, None].expand(-1, height, width)


class TrackFace(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return schema(
            node_id="SKPortraitTrackFace",
            display_name="Track Face",
            category="SK Portrait/face",
            description="Follows one face through a clip. The track has one entry per frame: landmarks, "
            "head pose and, if the tracker gives them, expression coefficients.",
            search_aliases=[
                "face tracking",
                "face tracker",
                "facial capture",
                "face landmarks",
                "head pose",
                "blendshapes",
                "driver",
                "HelloMeme",
            ],
            inputs=[
                io.Image.Input(
                    "images", tooltip="The frames of the clip, or a single picture (the reference)."
                ),
                FPS,
                SOURCE,
                *WHICH,
                DETECTOR,
                COEFFICIENTS,
                CUT,
            ],
            outputs=[TRACK, DETECTED, REPORT],
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def execute(
        cls,
        images: io.Image.Type,
        fps: float,
        source: str,
        face: str,
        face_number: int,
        on_miss: str,
        face_detection_model: Any | None = None,
        coefficients: FaceTrack | None = None,
        on_cut: str = ON_CUT[0],
    ) -> io.NodeOutput:
        tick, choice = ticker(len(images)), Choice(face, face_number)
        with tracker_of(source, face_detection_model) as tracker:
            track = track_faces(frames_uint8(images), tracker, fps, choice, on_miss, tick, on_cut)
        track, report = finished(cls, track, coefficients)
        return io.NodeOutput(track, measured_mask(track), report)


class TrackVideo(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return schema(
            node_id="SKPortraitTrackVideo",
            display_name="Track Face in Video",
            category="SK Portrait/face",
            description="Follows one face through a video file and crops it. The file is read as a stream, "
            "so only the cropped frames are in memory; rotation and variable frame rate of phone videos are "
            "respected.",
            search_aliases=[
                "driving video",
                "face tracking",
                "motion capture",
                "video input",
                "driver",
                "head pose",
                "talking head",
                "HelloMeme",
            ],
            inputs=[
                io.Video.Input("video", tooltip="The driving video, from Load Video."),
                io.Float.Input(
                    "fps",
                    default=0.0,
                    min=0.0,
                    max=1000.0,
                    step=0.01,
                    tooltip="Frames per second to read; 0 = the rate of the video.",
                ),
                io.Float.Input(
                    "start",
                    default=0.0,
                    min=0.0,
                    max=86400.0,
                    step=0.01,
                    tooltip="Seconds to skip at the beginning of the video.",
                ),
                io.Float.Input(
                    "seconds",
                    default=0.0,
                    min=0.0,
                    max=86400.0,
                    step=0.01,
                    tooltip="Seconds to read; 0 = to the end of the video.",
                ),
                SOURCE,
                *WHICH,
                *CROP_INPUTS,
                DETECTOR,
                COEFFICIENTS,
                CROP,
                CUT,
            ],
            outputs=[
                io.Image.Output(
                    display_name="images", tooltip="The frames of the video, cropped to the face."
                ),
                FaceTrackType.Output(
                    display_name="track", tooltip="The track, in pixels of the cropped frames."
                ),
                CropType.Output(
                    display_name="crop",
                    tooltip="Position of the square in each frame of the video, for Paste Portrait Back.",
                ),
                DETECTED,
                io.Audio.Output(
                    display_name="audio",
                    tooltip="The sound of exactly these frames; empty if the video has no sound.",
                ),
                io.Float.Output(
                    display_name="fps", tooltip="Frames per second of the images, for Create Video."
                ),
                REPORT,
            ],
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def execute(
        cls,
        video: io.Video.Type,
        fps: float,
        start: float,
        seconds: float,
        source: str,
        face: str,
        face_number: int,
        on_miss: str,
        generation: str,
        factor: float,
        size: int,
        face_detection_model: Any | None = None,
        coefficients: FaceTrack | None = None,
        crop: str = FIXED,
        on_cut: str = ON_CUT[0],
    ) -> io.NodeOutput:
        stream = open_video(video, fps, start, seconds)
        for note in stream.notes:
            notice(cls, note)
        tick, choice = ticker(2 * stream.expected), Choice(face, face_number)
        with tracker_of(source, face_detection_model) as tracker:
            whole = track_faces(stream.frames(), tracker, stream.fps, choice, on_miss, tick, on_cut)
        clip = Clip(stream.fps, start, len(whole))
        where = replace(crop_of(whole, generation, factor, size, crop), clip=clip)
        whole = whole.replace(notes=whole.notes + leaving_notes(whole, where))
        whole, report = finished(cls, whole, coefficients)
        images = empty_images(len(whole), size, size)

        def cut(numbered: tuple[int, np.ndarray]) -> None:
            k, frame = numbered
            window = where.of(k)
            put(images, k, window.shown(window.window(frame).astype(np.float32) / 255))

        for done, _ in enumerate(ahead(cut, enumerate(stream.frames())), 1):
            tick(len(whole) + done)
        track = where.track(whole)
        audio = stream.audio(len(whole))
        return io.NodeOutput(images, track, where, measured_mask(track), audio, stream.fps, report)


class TrackFromLandmarks(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return schema(
            node_id="SKPortraitTrackFromLandmarks",
            display_name="Track Face from Landmarks",
            category="SK Portrait/face",
            description="Makes a face track from the landmarks of ComfyUI's own Detect Face Landmarks "
            "(ComfyUI 0.23 and later). Set that node to find all faces of the clip and to leave missing "
            "frames empty.",
            search_aliases=["mediapipe", "face landmarks", "blendshapes"],
            inputs=[
                io.Custom("FACE_LANDMARKS").Input(
                    "face_landmarks", tooltip="From Detect Face Landmarks (MediaPipe)."
                ),
                FPS,
                *WHICH,
                io.Image.Input(
                    "images",
                    optional=True,
                    tooltip="The frames of the clip, to tell people apart by appearance when they cross. "
                    "Not connected: by position only.",
                ),
                COEFFICIENTS,
                CUT,
            ],
            outputs=[TRACK, DETECTED, REPORT],
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def execute(
        cls,
        face_landmarks: dict[str, Any],
        fps: float,
        face: str,
        face_number: int,
        on_miss: str,
        images: io.Image.Type | None = None,
        coefficients: FaceTrack | None = None,
        on_cut: str = ON_CUT[0],
    ) -> io.NodeOutput:
        source = HostLandmarks(face_landmarks, coefficient_order(), pitch_zero(COMFYUI))
        if images is not None and len(images) != len(source):
            raise FrameCountError("landmarks input", len(source), "image batch", len(images))
        blank = np.zeros((source.size[1], source.size[0], 3), np.uint8)
        frames = frames_uint8(images) if images is not None else (blank for _ in range(len(source)))
        tick, choice = ticker(len(source)), Choice(face, face_number)
        track = track_faces(frames, source, fps, choice, on_miss, tick, on_cut)
        track, report = finished(cls, track, coefficients)
        return io.NodeOutput(track, measured_mask(track), report)


NODES = [TrackFace, TrackVideo, TrackFromLandmarks]
