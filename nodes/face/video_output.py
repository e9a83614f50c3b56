"""Writes a stream of frames to a VIDEO of ComfyUI, frame by frame, in ComfyUI's temp folder."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterable

import folder_paths
from comfy_api.latest import InputImpl

from ...face_tools.soundtrack import Soundtrack
from ...face_tools.video_file import STANDARD, write


def written_video(frames: Iterable, fps: float, sound: Soundtrack | None, quality: str = STANDARD):
    """Write frames in the formats of `video_file.write` and return the VIDEO.

    Raises what `video_file.write` raises.
    """
    path = os.path.join(folder_paths.get_temp_directory(), f"sk_portrait_{uuid.uuid4().hex}.mp4")
    os.makedirs(os.path.dirname(path), exist_ok=True)
    write(path, frames, fps, sound, quality)
    return InputImpl.VideoFromFile(path)
