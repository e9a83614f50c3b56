"""The node that shows driving video, head pose and result in one video."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import numpy as np
import torch
from comfy_api.latest import InputImpl, Types, io

from ...errors import EmptyClipError
from ...face_tools.pictures.side_by_side import even, held, side_by_side
from ...face_tools.soundtrack import Soundtrack, of_waveform
from ..pixels import require_pictures
from ..progress import ticker
from ..schema import RARE, schema
from .video_input import VideoStream, open_video
from .video_output import written_video

PICTURES = io.Custom("IMAGE,VIDEO")


class SideBySide(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return schema(
            node_id="SKPortraitSideBySide",
            display_name="Side by Side Video",
            category="SK Portrait/face",
            description="Puts the driver, its head pose and the result side by side in one video, with the "
            "sound of the result. Sizes, lengths and frame rates may differ.",
            search_aliases=["compare", "comparison", "before after", "split screen", "concat", "stitch"],
            inputs=[
                PICTURES.Input(
                    "result",
                    tooltip="The sampled video or pictures, shown on the right. The output has its length, "
                    "frame rate and sound.",
                ),
                PICTURES.Input(
                    "driver",
                    optional=True,
                    tooltip="The driving video or its frames, shown on the left. Pictures count as one per "
                    "frame of the result.",
                ),
                PICTURES.Input(
                    "pose",
                    optional=True,
                    tooltip="A third video or pictures, such as the head pose, shown between driver and "
                    "result.",
                ),
                io.Audio.Input(
                    "audio",
                    optional=True,
                    tooltip="Sound that replaces that of the result. Not connected: the sound of the "
                    "result, or of the driving video if the result is silent.",
                ),
                io.Float.Input(
                    "fps",
                    default=15.0,
                    min=1.0,
                    max=240.0,
                    step=0.01,
                    optional=True,
                    tooltip="Frames per second of the result, if it is given as pictures. A video keeps its "
                    "own rate.",
                ),
                io.Boolean.Input(
                    "labels",
                    default=True,
                    optional=True,
                    tooltip="Writes a name into the corner of each picture.",
                ),
                io.Int.Input(
                    "height",
                    default=0,
                    min=0,
                    max=4096,
                    step=2,
                    optional=True,
                    tooltip="Height of the output in pixels; 0 = the height of the result. Each picture "
                    "keeps its aspect ratio.",
                    **RARE,
                ),
            ],
            outputs=[
                io.Video.Output(
                    display_name="video", tooltip="One video with all pictures side by side, with sound."
                )
            ],
        )

    @classmethod
    def execute(
        cls,
        result: io.Image.Type | io.Video.Type,
        driver: io.Image.Type | io.Video.Type | None = None,
        pose: io.Image.Type | io.Video.Type | None = None,
        audio: io.Audio.Type | None = None,
        fps: float = 15.0,
        labels: bool = True,
        height: int = 0,
    ) -> io.NodeOutput:
        main = open_video(_video(result, fps, "result"), 0.0, 0.0, 0.0)
        beside = {
            name: open_video(_video(value, main.fps, name), main.fps, 0.0, 0.0)
            for name, value in (("driver", driver), ("pose", pose))
            if value is not None
        }
        shown = [*beside, "result"] if labels else []
        # Some files do not state their number of frames.
        count = main.expected or sum(1 for _ in main.pictures())
        tick = ticker(count)

        def frames() -> Iterator[np.ndarray]:
            others = [held(stream.frames(), name) for name, stream in beside.items()]
            for done, picture in enumerate(main.frames(), 1):
                tall = even(height or picture.shape[0])
                yield side_by_side([*map(next, others), picture], tall, shown)
                tick(done)

        streams = [main, *(stream for name, stream in beside.items() if name == "driver")]
        sound = _sound(audio, streams, count / main.fps)
        return io.NodeOutput(written_video(frames(), main.fps, sound))


def _video(value, fps: float, name: str):
    """Return a VIDEO unchanged, and an IMAGE as a VIDEO of `fps` frames per second.

    Raises EmptyClipError for an IMAGE without frames.
    """
    if not isinstance(value, torch.Tensor):
        return value
    require_pictures(value, name)
    if not len(value):
        raise EmptyClipError(f"frame of {name}", "connect a video, or at least one picture.")
    rate = Fraction(fps).limit_denominator(1000)
    return InputImpl.VideoFromComponents(Types.VideoComponents(images=value, audio=None, frame_rate=rate))


def _sound(audio: dict | None, streams: list[VideoStream], seconds: float) -> Soundtrack | None:
    """Return `seconds` of sound: of the AUDIO, otherwise
    of the first video that has sound, otherwise None.
    """
    if audio is not None:
        rate = audio["sample_rate"]
        return of_waveform(audio["waveform"][0, :, : round(seconds * rate)].float().cpu().numpy(), rate)
    heard = (stream.soundtrack(round(seconds * stream.fps)) for stream in streams)
    return next((sound for sound in heard if sound is not None), None)


NODES = [SideBySide]
