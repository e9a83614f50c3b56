"""Nodes that paste changed crops back into the frames they were cropped from."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

import numpy as np
import torch
from comfy_api.latest import io

from ...errors import FrameCountError, MissingInputError
from ...face_tools.film_frame import CodedFrame, RgbFrame
from ...face_tools.pictures.crop import Crop
from ...face_tools.pictures.following_crop import FollowingCrop
from ...face_tools.pictures.paste import paste_back, window_mask
from ...face_tools.video_file import LOSSLESS, QUALITIES, STANDARD
from ..checks import require_masks
from ..notice import notice
from ..pixels import empty_images, frame_float, require_pictures
from ..progress import ahead, for_each, ticker
from ..schema import schema
from ..types import CropType
from .video_input import open_video
from .video_output import written_video

LOOK = [
    io.Float.Input(
        "feather",
        default=0.1,
        min=0.0,
        max=0.5,
        step=0.01,
        tooltip="Width of the soft edge inside the square, as a share of its side; 0 = hard edge.",
    ),
    io.Float.Input(
        "colour_match",
        default=0.0,
        min=0.0,
        max=1.0,
        step=0.05,
        tooltip="How far the portrait's colours are shifted towards those of the frame: 0 = not at all, 1 = "
        "same mean and spread.",
    ),
    io.Mask.Input(
        "mask",
        optional=True,
        tooltip="Mask of the crop: only white parts are pasted. One mask, or one per frame; not connected: "
        "the whole crop.",
    ),
]


class Paster:
    """Pastes portrait k into frame k.

    Raises FrameCountError if the mask has another number of frames, TrackError if a following crop has.
    """

    def __init__(
        self,
        portraits: torch.Tensor,
        crop: Crop | FollowingCrop,
        feather: float,
        colour_match: float,
        mask: torch.Tensor | None,
    ):
        if mask is not None:
            require_masks(mask, len(portraits), "portrait")
        crop.squares(len(portraits))
        self.portraits, self.crop, self.mask = portraits, crop.at(portraits.shape[1]), mask
        self.feather, self.colour_match = feather, colour_match

    @property
    def still(self) -> bool:
        """Whether every portrait has the same weight at the same place in its frame."""
        return not self.crop.moves and (self.mask is None or len(self.mask) == 1)

    def weight(self, k: int) -> np.ndarray:
        """(height, width) float32 0..1: weight of portrait k in its window."""
        return self._first if self.still else self._weight(k)

    @cached_property
    def _first(self) -> np.ndarray:
        return self._weight(0)

    def _weight(self, k: int) -> np.ndarray:
        mask = None if self.mask is None else self.mask[min(k, len(self.mask) - 1)].float().cpu().numpy()
        return window_mask(self.crop.of(k), self.feather, mask)

    def __call__(self, window: np.ndarray, k: int) -> None:
        """Blend portrait k into its window (h, w, 3) float32 0..1 of a frame, in place. Thread-safe."""
        paste_back(window, frame_float(self.portraits[k]), self.crop.of(k), self.weight(k), self.colour_match)


class PasteBack(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return schema(
            node_id="SKPortraitPasteBack",
            display_name="Paste Portrait Back",
            category="SK Portrait/face",
            description="Pastes changed crops back into the frames from which they were cropped: the exact "
            "inverse of the crop, with a soft edge.",
            search_aliases=["face swap", "paste face", "put face back", "uncrop", "stitch", "composite"],
            inputs=[
                io.Image.Input(
                    "images", tooltip="The uncropped frames. A single picture is repeated for all portraits."
                ),
                io.Image.Input(
                    "portraits",
                    tooltip="The changed crops, one per frame. They may have any square size.",
                ),
                CropType.Input("crop", tooltip="From Crop Portrait or Track Face in Video."),
                *LOOK,
            ],
            outputs=[
                io.Image.Output(
                    display_name="images",
                    tooltip="The frames with the portraits pasted in. An alpha channel is kept.",
                ),
                io.Mask.Output(
                    display_name="pasted",
                    tooltip="Mask of the whole frame: where and how strongly the portrait was pasted.",
                ),
            ],
        )

    @classmethod
    def execute(
        cls,
        images: io.Image.Type,
        portraits: io.Image.Type,
        crop: Crop | FollowingCrop,
        feather: float,
        colour_match: float,
        mask: io.Mask.Type | None = None,
    ) -> io.NodeOutput:
        count = len(portraits)
        if len(images) not in (1, count):
            raise FrameCountError(
                "image batch", len(images), "portrait batch", count, "give one frame, or one per portrait."
            )
        require_pictures(images, "images")
        for image in images[:1]:
            crop.check(image)
        paster = Paster(portraits, crop, feather, colour_match, mask)
        height, width = images.shape[1:3]
        result, pasted = (
            empty_images(count, height, width),
            torch.zeros(1 if paster.still else count, height, width),
        )

        def paste(k: int) -> None:
            window = crop.of(k)
            if k < len(pasted):
                pasted[k][window.part] = torch.from_numpy(paster.weight(k))
            result[k] = images[min(k, len(images) - 1), ..., :3]
            paster(window.window(result[k].numpy()), k)

        for_each(count, paste)
        alpha = images[..., 3:].to(result).expand(count, -1, -1, -1)
        return io.NodeOutput(torch.cat([result, alpha], -1) if alpha.shape[-1] else result, pasted)


class PasteBackVideo(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return schema(
            node_id="SKPortraitPasteBackVideo",
            display_name="Paste Portrait Back into Video",
            category="SK Portrait/face",
            description="Pastes changed crops back into the part of the video that Track Face in Video "
            "read, and returns that part as a video with its sound. The file is read and written frame by "
            "frame, so a long film needs no more memory than a short one.",
            search_aliases=[
                "deepfake",
                "face swap",
                "face replacement",
                "paste face",
                "uncrop",
                "stitch",
                "film",
                "composite",
            ],
            inputs=[
                io.Video.Input("video", tooltip="The same video that was tracked."),
                io.Image.Input(
                    "portraits",
                    tooltip="The changed crops, one per tracked frame. They may have any square size.",
                ),
                CropType.Input(
                    "crop",
                    tooltip="From Track Face in Video. It holds the position of the square in each frame, "
                    "and the part of the video that was read.",
                ),
                *LOOK,
                io.Combo.Input(
                    "quality",
                    options=list(QUALITIES),
                    default=STANDARD,
                    optional=True,
                    tooltip="Compression of the result: standard is visually lossless; high keeps 99 % of "
                    "the pixels within 1 of 255 levels; lossless is exact and does not play in "
                    "Safari. Files of high and lossless are about ten times as large.",
                ),
            ],
            outputs=[
                io.Video.Output(
                    display_name="video",
                    tooltip="The tracked part of the video with the portraits pasted in, with sound.",
                )
            ],
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def execute(
        cls,
        video: io.Video.Type,
        portraits: io.Image.Type,
        crop: Crop | FollowingCrop,
        feather: float,
        colour_match: float,
        mask: io.Mask.Type | None = None,
        quality: str = STANDARD,
    ) -> io.NodeOutput:
        clip, count = crop.clip, len(portraits)
        if clip is None:
            raise MissingInputError(
                "This crop was made of pictures, not of a video: connect Track Face in Video, or use Paste "
                "Portrait Back.",
                ("video",),
            )
        if count != clip.frames:
            raise FrameCountError("portrait batch", count, "tracked video", clip.frames)
        stream = open_video(video, clip.fps, clip.start, count / clip.fps)
        paster, tick = Paster(portraits, crop, feather, colour_match, mask), ticker(count)

        def paste(numbered: tuple[int, CodedFrame | RgbFrame]) -> CodedFrame:
            k, picture = numbered
            window = crop.of(k)
            before = window.window(picture.rgb()).astype(np.float32) / 255
            after = before.copy()
            paster(after, k)
            coded = picture.stored(halved=quality != LOSSLESS)
            coded.add(window.x, window.y, after - before)
            return coded

        def pasted() -> Iterator[CodedFrame]:
            for done, picture in enumerate(ahead(paste, zip(range(count), stream.pictures())), 1):
                yield picture
                tick(done)

        for note in stream.notes:
            notice(cls, note)
        return io.NodeOutput(written_video(pasted(), clip.fps, stream.soundtrack(count), quality))


NODES = [PasteBack, PasteBackVideo]
