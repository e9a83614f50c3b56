"""The demo without ComfyUI: the same faces, and the narrow toy model on diffusers' parts of SD1.5.

For trying the pack and for scripts; artists use ComfyUI.
"""

from __future__ import annotations

import argparse

import numpy as np
from PIL import Image

from ..face_tools import video
from ..face_tools.editing.approximate import approximate_coefficients
from ..face_tools.pictures.crop import CROP_RULES, portrait_crop
from ..face_tools.pictures.head_pose_raster import draw_box, driven_translation
from ..face_tools.track import FaceTrack
from ..face_tools.trackers import sources
from ..face_tools.trackers.tracking import track_faces
from . import sheet, tracker
from .toy_model import FPS, SIZE, STEPS, WORDS, SamplingOptions, World, portrait

NAME = "portrait_video_embedded"


def cropped(frames: list[np.ndarray], source, fps: float, size: int) -> tuple[list[np.ndarray], FaceTrack]:
    """The face of a clip: its pictures (size, size, 3) and their track."""
    track = track_faces(frames, source, fps, on_miss="interpolate")
    crop = portrait_crop(track, CROP_RULES["v2"], size)
    return [crop.cut(frame) for frame in frames], crop.track(track)


def demo(options: argparse.Namespace) -> int:
    """`python run.py demo` on the diffusers backend; `options` as for ComfyUI."""
    size, steps = options.size or SIZE, options.steps or STEPS
    print(f"ComfyUI is absent: this is the diffusers backend (diffusers), with {WORDS}.", flush=True)
    picture = np.asarray(Image.open(options.reference).convert("RGB")) if options.reference else portrait()
    clip = list(video.frames(options.driver, seconds=options.frames / FPS, fps=FPS))
    print(f"Tracking the face in the portrait and in {len(clip)} frames", flush=True)
    found = tracker.find()
    with sources.open_source(found.name, found.models) as source:
        (still, *_), own = cropped([picture], source, FPS, size)
        shown, track = cropped(clip, source, FPS, size)
    track = track if found.gives_coefficients else approximate_coefficients(track)
    places = driven_translation(track, own)
    head_poses = [
        draw_box(turn, place, track.size) for turn, place in zip(track.rotation, places, strict=True)
    ]
    print(f"Sampling at {size} px, {steps} steps", flush=True)
    world = World()
    result = world.act(still, world.encode_drive(track, head_poses), SamplingOptions(steps))
    columns = {"portrait": [still], "driver": shown, "head pose": head_poses, "result": result}
    sheet.show(
        options.output,
        NAME,
        columns,
        f"SK Portrait on the diffusers backend (no ComfyUI), {len(result)} frames: {WORDS}",
        FPS,
    )
    return 0
