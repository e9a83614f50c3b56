"""The node that measures how well a result follows its driving track."""

from __future__ import annotations

import json
import math
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import torch
from comfy_api.latest import io, ui

from ...errors import FrameCountError
from ...face_tools.comparison.compare import Comparison, compare, report
from ...face_tools.comparison.curves import CURVES
from ...face_tools.comparison.evidence import require_one_length
from ...face_tools.comparison.gather import Frames, gather, picked, with_coefficients
from ...face_tools.comparison.pictures import draw_curves, draw_sheet, shown_frames
from ...face_tools.comparison.pixels import borders
from ...face_tools.track import FaceTrack
from ...face_tools.track_errors import TrackError, UnusableTrackerError
from ...face_tools.trackers import host_landmarks, sources
from ...face_tools.trackers.faces import Source
from ...face_tools.trackers.straight_look import alike
from ...face_tools.trackers.tracking import track_faces
from ...unet.clip.keyframes import windows
from ..notice import notice
from ..pixels import frame_uint8, frames_uint8
from ..progress import ticker
from ..schema import RARE, schema
from ..types import FaceTrackType
from .arcface import embedder
from .calibration import coefficient_order
from .track import DETECTOR, model_files, tracker_of
from .video_input import open_video

AS_DRIVER = "as the driver"


def _figure(name: str, tooltip: str) -> io.Float.Output:
    return io.Float.Output(display_name=name, tooltip=f"{tooltip} nan if it could not be measured.")


class ComparePerformance(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return schema(
            node_id="SKPortraitComparePerformance",
            display_name="Compare Performance",
            category="SK Portrait/face",
            description="Measures how well a result follows its driving track: head pose, expression, "
            "identity, flicker and seams. Lists faults with their frames, such as a picture that stands "
            "still or a mirrored frame.",
            search_aliases=["evaluate", "quality", "metrics", "APD", "AED", "benchmark", "score"],
            is_output_node=True,
            hidden=[io.Hidden.prompt, io.Hidden.extra_pnginfo, io.Hidden.unique_id],
            inputs=[
                FaceTrackType.Input(
                    "track",
                    tooltip="The track that drove the result, as connected to Draw Head Pose: after editing, "
                    "cropping and retiming.",
                ),
                io.Custom("IMAGE,VIDEO").Input(
                    "result",
                    tooltip="The sampled frames, or a video of them, with one frame per frame of the track.",
                ),
                io.Combo.Input(
                    "source",
                    display_name="tracker",
                    options=[AS_DRIVER, sources.AUTO, *sources.MODULES],
                    tooltip="The face tracker for the result. Distances are comparable only if it is the "
                    "same tracker as for the driver.",
                ),
                io.String.Input(
                    "label",
                    default="",
                    tooltip="Title of the contact sheet, for example the value of the setting that you try.",
                ),
                io.Int.Input(
                    "context_length",
                    default=0,
                    min=0,
                    max=4096,
                    tooltip="Frames per context window of the sampler: seams are measured at the window "
                    "borders. 0 if unknown: then the largest jump between frames is reported.",
                    **RARE,
                ),
                io.Int.Input(
                    "context_overlap",
                    default=4,
                    min=0,
                    max=4095,
                    tooltip="Frames that two neighbouring context windows share. Used only if context "
                    "length is not 0.",
                    **RARE,
                ),
                io.Image.Input(
                    "portrait",
                    optional=True,
                    tooltip="The portrait, for the contact sheet and for the identity figure.",
                ),
                io.Image.Input(
                    "driver_images",
                    optional=True,
                    tooltip="The driver's frames, one per frame of the track. Their flicker is subtracted "
                    "from that of the result.",
                ),
                DETECTOR,
                FaceTrackType.Input(
                    "result_track",
                    optional=True,
                    tooltip="A track of the result, if there already is one. Not connected: the node tracks "
                    "the result.",
                ),
            ],
            outputs=[
                io.String.Output(
                    display_name="report",
                    tooltip="All figures, the faults that were found, and their limits.",
                ),
                io.Image.Output(
                    display_name="plot",
                    tooltip="Curves of the driver and of the result. Frames without a detected face are "
                    "marked.",
                ),
                io.Image.Output(
                    display_name="sheet",
                    tooltip="Portrait, driver, result and difference for several frames, including the "
                    "worst ones.",
                ),
                _figure("pose_distance", "Mean difference of pitch, yaw and roll in degrees."),
                _figure("expression_distance", "Mean difference of the coefficients that move, 0 to 1."),
                *(
                    _figure(
                        f"{name} correlation", "Correlation of this curve with that of the driver, -1 to 1."
                    )
                    for name in CURVES
                ),
                _figure(
                    "identity",
                    "Similarity to the portrait, -1 to 1; needs an ArcFace file in models/insightface.",
                ),
                _figure(
                    "flicker", "Change between frames beyond that of the driver, in grey levels (0 to 255)."
                ),
                _figure("seams", "Change at window borders divided by the change elsewhere; 1 = no seam."),
                io.String.Output(display_name="numbers", tooltip="All figures as JSON."),
            ],
        )

    @classmethod
    def execute(
        cls,
        track: FaceTrack,
        result: io.Image.Type | io.Video.Type,
        source: str,
        label: str,
        context_length: int,
        context_overlap: int,
        portrait: io.Image.Type | None = None,
        driver_images: io.Image.Type | None = None,
        face_detection_model: Any | None = None,
        result_track: FaceTrack | None = None,
    ) -> io.NodeOutput:
        frames, count = _frames_of(result, track)
        drivers = None if driver_images is None else _counted(driver_images, track)
        picture = None if portrait is None else frame_uint8(portrait[0])
        tick = ticker(2 * count)
        with _tracker(source, face_detection_model, track, result_track) as tracker:
            read = result_track
            if read is None:
                assert tracker is not None, "only a result that was tracked before goes without"
                try:
                    read = track_faces(frames(), tracker, track.fps, on_miss="interpolate", tick=tick)
                except TrackError as error:  # a result without a face must not end a sweep
                    return _unread(cls, frames, label, error)
            driver, notes = alike(track, read)
            for note in notes:
                notice(cls, note)
            asked, seen = (with_coefficients(each, coefficient_order()) for each in (driver, read))
            evidence, error = gather(
                asked, seen, frames, drivers, picture, tracker, embedder(), lambda done: tick(count + done)
            )
        comparison = compare(evidence, _borders(len(track), context_length, context_overlap), error)
        plot, sheet = draw_curves(comparison), _sheet(comparison, frames, drivers, picture, label)
        plot, sheet = (torch.from_numpy(picture)[None].float() / 255 for picture in (plot, sheet))
        told = report(comparison), plot, sheet, *_figures(comparison), _json(comparison)
        return io.NodeOutput(*told, ui=ui.PreviewImage(sheet, cls=cls))


def _unread(node, frames: Frames, label: str, error: TrackError) -> io.NodeOutput:
    """Return the node's output for a result without a face: the error, and the first frame as picture."""
    notice(node, str(error))
    first = next(iter(frames()), np.zeros((8, 8, 3), np.uint8))
    picture = torch.from_numpy(first)[None].float() / 255
    told = f"{label}\nfault: {error}".strip(), picture, picture, *[math.nan] * (len(CURVES) + 5)
    return io.NodeOutput(*told, json.dumps({"faults": ["missed"]}), ui=ui.PreviewImage(picture, cls=node))


def _frames_of(result, track: FaceTrack) -> tuple[Frames, int]:
    """Return a function that yields the frames of an IMAGE or a VIDEO, and their approximate number."""
    if isinstance(result, torch.Tensor):
        require_one_length(len(track), len(result))
        return lambda: frames_uint8(result), len(result)
    stream = open_video(result, track.fps, 0.0, 0.0)
    return stream.frames, stream.expected


def _counted(images: torch.Tensor, track: FaceTrack) -> Frames:
    if len(images) != len(track):
        raise FrameCountError(
            "driver_images batch",
            len(images),
            "track",
            len(track),
            "they must be equal. Retime Track trims a track, and its images with it.",
        )
    return lambda: frames_uint8(images)


def _tracker(
    source: str, face_detection_model, driver: FaceTrack, result: FaceTrack | None
) -> AbstractContextManager[Source | None]:
    """Open the tracker for the result. "as the driver" selects that of the
    driving track, or the best one if it has none.

    A result that was tracked before is read by its own tracker, or by none if that tracker cannot run here.
    """
    if face_detection_model is None and result is not None:
        known = result.source in sources.MODULES and not sources.available(model_files())[result.source]
        return tracker_of(result.source, None) if known else nullcontext()
    if source != AS_DRIVER or face_detection_model is not None:
        return tracker_of(source, face_detection_model)
    if driver.source == host_landmarks.NAME:
        raise UnusableTrackerError(
            "The driver was tracked by ComfyUI's own landmarker, which is not connected here. Connect the same Load "
            "Face Detection Model to face_detection_model, or choose another tracker.",
            driver.source,
        )
    return tracker_of(driver.source if driver.source in sources.MODULES else sources.AUTO, None)


def _borders(frames: int, length: int, overlap: int) -> list[int]:
    """Steps at which a context window begins or ends; empty if the length is 0 (unknown)."""
    return borders(windows(frames, length, min(overlap, length - 1)), frames) if length else []


def _sheet(
    comparison: Comparison, frames: Frames, drivers: Frames | None, portrait: np.ndarray | None, label: str
) -> np.ndarray:
    numbers = shown_frames(comparison)
    asked = None if drivers is None else picked(drivers(), numbers)
    return draw_sheet(comparison, numbers, picked(frames(), numbers), asked, portrait, label)


def _figures(comparison: Comparison) -> list[float]:
    return [
        comparison.pose_distance,
        comparison.expression_distance,
        *comparison.correlations.values(),
        comparison.identity,
        comparison.flicker,
        comparison.seams,
    ]


def _json(comparison: Comparison) -> str:
    """Figures and faults as JSON; a figure that could not be measured is null."""
    numbers = {
        name: None if math.isnan(value) else round(value, 6) for name, value in comparison.numbers().items()
    }
    return json.dumps(numbers | {"faults": [fault.kind for fault in comparison.faults]}, indent=1)


NODES = [ComparePerformance]
