"""Milliseconds per frame of the nodes that make and paste pictures, on 720p frames as ComfyUI passes them."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import numpy as np
import torch

from ...face_tools import video
from ...face_tools.trackers import sources
from ...face_tools.trackers.faces import ModelFiles
from ...face_tools.trackers.tracking import track_faces
from ...host.installation import enter, find

FRAMES, SIZE, RUNS = 30, 512, 5
GOALS = {
    "Paste Portrait Back": 10.0,
    "Paste Portrait Back, colours matched": 15.0,
    "Crop Eyes and Mouth": 3.0,
}


def costs(clip: Path, tracker: str, models: ModelFiles, folder: str) -> dict[str, float] | None:
    """Return node -> milliseconds per frame, the least of five runs; None without ComfyUI."""
    comfy = find()
    if comfy is None:
        return None
    enter(comfy, folder)

    from ...nodes.face.paste import PasteBack
    from ...nodes.face.pictures import CropPortrait, DrawHeadPose, FacePatches

    frames = list(islice(video.frames(clip), FRAMES))
    with sources.open_source(tracker, models) as source:
        track = track_faces(frames, source, 30.0, on_miss="interpolate")
    images = torch.from_numpy(np.stack(frames)).float() / 255
    del frames
    portraits, shown, crop, _ = CropPortrait.execute(images, track, "v5", 0.0, SIZE).result
    runs: dict[str, Callable] = {
        "Crop Portrait": lambda: CropPortrait.execute(images, track, "v5", 0.0, SIZE),
        "Draw Head Pose": lambda: DrawHeadPose.execute(shown, 0.0, 0),
        "Crop Eyes and Mouth": lambda: FacePatches.execute(images, track),
        "Paste Portrait Back": lambda: PasteBack.execute(images, portraits, crop, 0.1, 0.0),
        "Paste Portrait Back, colours matched": lambda: PasteBack.execute(images, portraits, crop, 0.1, 1.0),
    }
    return {name: min(_seconds(run) for _ in range(RUNS)) * 1000 / FRAMES for name, run in runs.items()}


def _seconds(run: Callable) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start
