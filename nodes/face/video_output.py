"""A VIDEO of ComfyUI from a stream of frames, written frame by frame to its temp folder."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterable

import folder_paths
from comfy_api.latest import InputImpl

from ...face_tools.soundtrack import Soundtrack
from ...face_tools.video_file import STANDARD, write


def written_video(frames: Iterable, fps: float, sound: Soundtrack | None, quality: str = STANDARD):
    """The VIDEO of frames as `video_file.write` takes them. Raises what that raises."""
    path = os.path.join(folder_paths.get_temp_directory(), f"sk_portrait_{uuid.uuid4().hex}.mp4")
    os.makedirs(os.path.dirname(path), exist_ok=True)
    write(path, frames, fps, sound, quality)
    return InputImpl.VideoFromFile(path)
