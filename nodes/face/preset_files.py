"""The presets to choose from: those of the pack, and
those that the user has saved in ComfyUI's user folder.
"""

from __future__ import annotations

import os

import folder_paths

from ...face_tools.recordings import saved_presets
from ...face_tools.recordings.presets import PRESETS
from ...face_tools.recordings.presets import preset as shipped
from ...face_tools.track import FaceTrack
from ...face_tools.track_errors import TrackSettingError
from ..input_files import sha256_of
from .calibration import coefficient_order

# Folder of the default user, from which ComfyUI serves it.
FOLDER = os.path.join("default", "sk_portrait_presets")


def folder() -> str:
    """Return the folder of saved presets."""
    return os.path.join(folder_paths.get_user_directory(), FOLDER)


def names() -> list[str]:
    """Return the names of the pack's presets, followed by the saved ones in alphabetical order."""
    try:
        files = sorted(os.listdir(folder()))
    except OSError:  # no preset was saved yet
        files = []
    saved = (file.removesuffix(saved_presets.ENDING) for file in files if file.endswith(saved_presets.ENDING))
    return [*PRESETS, *(name for name in saved if name not in PRESETS)]


def path_of(name: str) -> str:
    """Return the path of a saved preset. Raises TrackSettingError for a name that is not allowed."""
    return os.path.join(folder(), saved_presets.require_name(name) + saved_presets.ENDING)


def require(name: str) -> None:
    """Raise TrackSettingError unless there is a preset of this name."""
    if name not in PRESETS and not os.path.isfile(path_of(name)):
        raise TrackSettingError(
            f"There is no preset {name!r} in {folder()}: choose another one, or save it with Save Preset Expression.",
            "preset",
            name,
        )


def preset(name: str, strength: float) -> FaceTrack:
    """Return a preset as a track of one frame, its values multiplied by `strength` and clipped to 0..1.
    Raises TrackSettingError as `require` does.
    """
    if name in PRESETS:
        return shipped(name, strength, coefficient_order())
    require(name)
    track = saved_presets.load(path_of(name))
    assert track.coefficients is not None, "a saved preset has them"
    return track.replace(coefficients=(track.coefficients * strength).clip(0, 1))


def content_of(name: str) -> str:
    """Return the hash of a saved preset, by which ComfyUI detects changes."""
    if name in PRESETS or not os.path.isfile(path := path_of(name)):
        return name
    return sha256_of(path)
