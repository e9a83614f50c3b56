"""The node that shows a face track."""

from __future__ import annotations

import numpy as np
import torch
from comfy_api.latest import io, ui

from ...face_tools.editing.adjust import names_in
from ...face_tools.pictures.preview import draw_overlay, draw_plot, draw_sheet
from ...face_tools.track import FaceTrack
from ..pixels import empty_images, frames_uint8, put, require_rows
from ..progress import ticker
from ..schema import RARE, schema
from ..types import FaceTrackType


class PreviewTrack(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return schema(
            node_id="SKPortraitPreviewTrack",
            display_name="Preview Face Track",
            category="SK Portrait/face",
            description="Shows the frames with landmarks, box and head axes, and a plot of the track over "
            "time. Frames in which the face was not detected are orange in both.",
            search_aliases=["landmarks overlay", "plot", "debug face"],
            is_output_node=True,
            hidden=[io.Hidden.prompt, io.Hidden.extra_pnginfo],
            inputs=[
                FaceTrackType.Input("track", tooltip="The track to show."),
                io.Image.Input(
                    "images",
                    optional=True,
                    tooltip="The frames of the track. Not connected: the drawing is on black.",
                ),
                io.String.Input(
                    "curves",
                    default="",
                    tooltip="Names of the curves to plot, such as jawOpen, eyeBlink, yaw. Empty: the head "
                    "angles and the coefficients that move most.",
                ),
                io.Int.Input(
                    "plot_width",
                    default=1024,
                    min=256,
                    max=8192,
                    step=8,
                    tooltip="Width of the plot in pixels.",
                    **RARE,
                ),
                io.Int.Input(
                    "plot_height",
                    default=512,
                    min=128,
                    max=4096,
                    step=8,
                    tooltip="Height of the plot in pixels.",
                    **RARE,
                ),
            ],
            outputs=[
                io.Image.Output(
                    display_name="overlay",
                    tooltip="The frames with landmarks, box, head axes and frame number drawn on them.",
                ),
                io.Image.Output(
                    display_name="plot",
                    tooltip="One picture with the curves of coefficients and head angles over the frames.",
                ),
            ],
        )

    @classmethod
    def execute(
        cls,
        track: FaceTrack,
        curves: str,
        plot_width: int,
        plot_height: int,
        images: io.Image.Type | None = None,
    ) -> io.NodeOutput:
        plot = draw_plot(track, names_in(curves), (plot_width, plot_height))
        plot = torch.from_numpy(plot)[None].float() / 255
        overlay = cls.overlay(track, images)
        shown = sorted({0, len(overlay) // 2, len(overlay) - 1})
        sheet = draw_sheet(list(frames_uint8(overlay[shown])), next(frames_uint8(plot)))
        return io.NodeOutput(
            overlay, plot, ui=ui.PreviewImage(torch.from_numpy(sheet)[None].float() / 255, cls=cls)
        )

    @staticmethod
    def overlay(track, images) -> torch.Tensor:
        """Return (F, H, W, 3): the track drawn over the images, or over black."""
        if images is not None:
            require_rows(track, images)
            frames, (height, width) = frames_uint8(images), images.shape[1:3]
        else:
            width, height = track.size
            frames = (np.zeros((height, width, 3), np.uint8) for _ in range(len(track)))
        drawn, tick = empty_images(len(track), height, width), ticker(len(track))
        for k, frame in enumerate(frames):
            put(drawn, k, draw_overlay(frame, track, k))
            tick(k + 1)
        return drawn


NODES = [PreviewTrack]
