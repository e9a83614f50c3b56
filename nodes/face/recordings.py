"""Nodes that read and write face tracks and recordings."""

from __future__ import annotations

import folder_paths
from comfy_api.latest import io

from ...errors import MissingFileError
from ...face_tools import track_file
from ...face_tools.recordings.arkit_json import read_arkit_json
from ...face_tools.recordings.livelink import TAKE_FPS, read_live_link
from ...face_tools.report import describe
from ...face_tools.track import FaceTrack
from ...face_tools.trackers.onnx_source import named_otherwise
from ...face_tools.trackers.straight_look import described
from ..file_names import numbered
from ..input_files import OUTPUT, inside, listed, sha256_of
from ..notice import notice
from ..schema import schema
from ..types import FaceTrackType
from .calibration import coefficient_order

CATEGORY = "SK Portrait/face"
BOTH, EXPRESSION = "expression and head angles", "expression"


def path_of(file: str) -> str:
    """Return the path of a listed file.

    Raises MissingFileError if it does not exist, or is outside the input and output folders.
    """
    folder = (
        folder_paths.get_output_directory() if file.endswith(OUTPUT) else folder_paths.get_input_directory()
    )
    name = file.removesuffix(OUTPUT)
    path = inside(folder, name)
    if path is None:
        raise MissingFileError(f'There is no file "{name}" in {folder}.', file)
    return path


def content_of(file: str) -> str:
    """Return the file's SHA-256 hash, by which ComfyUI detects changes."""
    return sha256_of(path_of(file))


class FileNode(io.ComfyNode):
    """Base class of nodes with a `file` input.

    The file may be added while ComfyUI runs, so it is validated when the graph is
    queued, not against the list made at the start.
    """

    @classmethod
    def validate_inputs(cls, file):
        try:
            path_of(file)
        except FileNotFoundError as error:
            return str(error)
        return True

    @classmethod
    def fingerprint_inputs(cls, file, **_):
        return content_of(file)


class ImportLiveLinkFace(FileNode):
    @classmethod
    def define_schema(cls):
        return schema(
            node_id="SKPortraitImportLiveLinkFace",
            display_name="Import Live Link Face",
            category=CATEGORY,
            description="Loads an expression recording: the CSV of Epic's Live Link Face app (ARKit mode), "
            "or ARKit coefficients as JSON. Connect it to *replace expression with* of Track Face, or use "
            "it alone.",
            search_aliases=[
                "motion capture",
                "face recording",
                "selfie",
                "ARKit",
                "iPhone",
                "CSV",
                "blendshapes",
                "mocap",
            ],
            hidden=[io.Hidden.unique_id],
            inputs=[
                io.Combo.Input(
                    "file",
                    options=listed(".csv", ".json"),
                    tooltip="A .csv or .json file in ComfyUI's input folder.",
                ),
                io.Float.Input(
                    "fps",
                    default=25.0,
                    min=0.1,
                    max=1000.0,
                    step=0.01,
                    tooltip="Frames per second of the track; set it to the rate of your video.",
                ),
                io.Float.Input(
                    "take_fps",
                    display_name="recording fps",
                    default=TAKE_FPS,
                    min=1.0,
                    max=1000.0,
                    step=0.01,
                    tooltip="Frames per second of the CSV's timecode, 60 unless you changed it in the app. "
                    "Not used for JSON.",
                ),
                io.Float.Input(
                    "offset",
                    default=0.0,
                    min=-100_000.0,
                    max=100_000.0,
                    step=0.01,
                    tooltip="Seconds of the recording to skip so that it is in sync with the video. "
                    "Negative if the recording starts after the video.",
                ),
                io.Combo.Input(
                    "which",
                    display_name="what to read",
                    options=[BOTH, EXPRESSION],
                    tooltip="Whether to load the head angles of the recording too, if it has any.",
                ),
            ],
            outputs=[
                FaceTrackType.Output(
                    display_name="track",
                    tooltip="The recording as a track at the chosen frame rate, without landmarks.",
                ),
                io.String.Output(
                    display_name="report",
                    tooltip="Length, range of head angles, and warnings about the file.",
                ),
            ],
        )

    @classmethod
    def execute(cls, file: str, fps: float, take_fps: float, offset: float, which: str) -> io.NodeOutput:
        path = path_of(file)
        recording = (
            read_arkit_json(path) if path.lower().endswith(".json") else read_live_link(path, take_fps)
        )
        track = recording.to_track(fps, offset, which == BOTH, coefficient_order())
        if track.notes:
            notice(cls, " ".join(track.notes))
        return io.NodeOutput(track, describe(track))


class LoadTrack(FileNode):
    @classmethod
    def define_schema(cls):
        return schema(
            node_id="SKPortraitLoadTrack",
            display_name="Load Face Track",
            category=CATEGORY,
            description="Loads a track that Save Face Track wrote.",
            hidden=[io.Hidden.unique_id],
            search_aliases=["face track file", "npz"],
            inputs=[
                io.Combo.Input(
                    "file",
                    options=listed(".npz", output=True),
                    tooltip="A .npz file in ComfyUI's input folder, or in its output folder (marked "
                    "[output]).",
                )
            ],
            outputs=[
                FaceTrackType.Output(display_name="track", tooltip="The loaded track."),
                io.String.Output(
                    display_name="report", tooltip="Summary of the track: frames, tracker, notes."
                ),
            ],
        )

    @classmethod
    def execute(cls, file: str) -> io.NodeOutput:
        track = track_file.load(path_of(file))
        zero = None if track.pitch_zero else described(track)
        for warning in filter(None, (named_otherwise(track, coefficient_order()), zero)):
            notice(cls, warning)
        return io.NodeOutput(track, describe(track))


class SaveTrack(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return schema(
            node_id="SKPortraitSaveTrack",
            display_name="Save Face Track",
            category=CATEGORY,
            description="Saves a track as an .npz file in ComfyUI's output folder. A number is added to the "
            "name, so no file is overwritten.",
            is_output_node=True,
            search_aliases=["face track file", "npz"],
            inputs=[
                FaceTrackType.Input("track", tooltip="The track to save."),
                io.String.Input(
                    "filename_prefix",
                    default="sk_portrait/track",
                    tooltip="Name of the file, with subfolders if you like; a number is added. "
                    "%date:yyyy-MM-dd% is replaced by the date.",
                ),
            ],
            outputs=[
                FaceTrackType.Output(display_name="track", tooltip="The same track."),
                io.String.Output(display_name="path", tooltip="Path of the file that was written."),
            ],
        )

    @classmethod
    def execute(cls, track: FaceTrack, filename_prefix: str) -> io.NodeOutput:
        path = numbered(filename_prefix, "filename_prefix", ".npz", track.size)
        track_file.save(track, path)
        return io.NodeOutput(track, path)


NODES = [ImportLiveLinkFace, LoadTrack, SaveTrack]
