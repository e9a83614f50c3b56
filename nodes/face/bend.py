"""The node that warps the face in pictures to another expression, for encoders that read pictures."""

from __future__ import annotations

import numpy as np
from comfy_api.latest import io

from ...face_tools.editing.edit import merge_expression
from ...face_tools.geometry import bounding_box
from ...face_tools.pictures.puppet import Puppet
from ...face_tools.track import FaceTrack
from ..pixels import empty_images, frame_uint8, put, require_rows
from ..progress import for_each
from ..schema import schema
from ..types import FaceTrackType

STILL = np.zeros(3)  # head turn, radians: no head is turned here


class BendPictures(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return schema(
            node_id="SKPortraitBendPictures",
            display_name="Bend Pictures to Track",
            category="SK Portrait/face",
            description="Warps the face in each picture to the expression of another track, such as one "
            "from Mix Face Tracks. "
            "Crop Eyes and Mouth and Read Expression (PD-FGC) then read that expression.",
            search_aliases=["warp", "expression by part", "only mouth", "only eyes", "puppet", "reenact"],
            inputs=[
                io.Image.Input("images", tooltip="The cropped frames of the driver."),
                FaceTrackType.Input(
                    "track",
                    tooltip="The track of these frames, one entry per frame. It needs MediaPipe's 478 "
                    "landmarks.",
                ),
                FaceTrackType.Input(
                    "expression",
                    tooltip="The track with the expression that the pictures should show. It has one frame, "
                    "which is then used for the whole clip, or is at least as long as the clip.",
                ),
            ],
            outputs=[
                io.Image.Output(
                    display_name="images", tooltip="The warped pictures. The head pose is not changed."
                ),
                FaceTrackType.Output(
                    display_name="track",
                    tooltip="The track of the warped pictures. Landmarks and coefficients are changed, all "
                    "else is kept.",
                ),
            ],
        )

    @classmethod
    def execute(cls, images: io.Image.Type, track: FaceTrack, expression: FaceTrack) -> io.NodeOutput:
        require_rows(track, images)
        wanted = merge_expression(track, expression)
        own = np.zeros_like(wanted.coefficients) if track.coefficients is None else track.coefficients
        changes = wanted.coefficients - own.clip(0, 1)
        bent, landmarks = empty_images(len(images), *images.shape[1:3]), track.landmarks.copy()

        def bend(k: int) -> None:
            if not changes[k].any():
                bent[k] = images[k, ..., :3]
                return
            puppet = Puppet(frame_uint8(images[k]), track.rows(slice(k, k + 1)))
            put(bent, k, puppet.draw(changes[k], STILL))
            landmarks[k] = puppet.moved(changes[k], STILL)

        for_each(len(images), bend)
        return io.NodeOutput(bent, _bent(wanted, landmarks))


def _bent(track: FaceTrack, landmarks: np.ndarray) -> FaceTrack:
    """Return the track with other landmarks (F, P, D) and their bounding boxes."""
    if not landmarks.shape[1]:
        return track
    return track.replace(landmarks=landmarks, box=bounding_box(landmarks))


NODES = [BendPictures]
