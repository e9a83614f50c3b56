"""Bytes per frame of the nodes that hold pictures, for `bench memory`: inputs and outputs only."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from torch import Tensor

SIDE, SHOWN = 512, 256  # pixels per side of the frames, and of the cropped, drawn and pasted pictures


def clip(frames: int):
    """Return a track of a face that stays in the middle."""
    from ...face_tools.track import FaceTrack

    points = np.random.default_rng(0).uniform(SIDE * 0.35, SIDE * 0.65, (478, 3)).astype(np.float32)
    landmarks = np.broadcast_to(points, (frames, 478, 3)).copy()
    box = np.tile(np.float32([SIDE * 0.35, SIDE * 0.35, SIDE * 0.65, SIDE * 0.65]), (frames, 1))
    rotation, place = np.zeros((frames, 3), np.float32), np.tile(np.float32([0, 0, -7]), (frames, 1))
    size, valid = (SIDE, SIDE), np.ones(frames, bool)
    return FaceTrack("bench", "mediapipe478", 25.0, size, valid, box, landmarks, rotation, place, None)


def of(frames: int, side: int) -> Tensor:
    """Return a clip of grey pictures."""
    return torch.full((frames, side, side, 3), 0.5)


def held(node, *wires) -> list[Tensor]:
    """Return the clips among the inputs and outputs of a node."""
    return [
        t for t in (*wires, *node.execute(*wires).result) if isinstance(t, Tensor) and len(t) == len(wires[0])
    ]


def cropped(frames: int) -> list[Tensor]:
    """Run Crop Portrait."""
    from ...nodes.face.pictures import CropPortrait

    return held(CropPortrait, of(frames, SIDE), clip(frames), "v5", 0.0, SHOWN)


def posed(frames: int) -> list[Tensor]:
    """Run Draw Head Pose."""
    from ...nodes.face.pictures import DrawHeadPose

    return held(DrawHeadPose, clip(frames), 0.0, SHOWN)


def cut(frames: int) -> list[Tensor]:
    """Run Crop Eyes and Mouth."""
    from ...nodes.face.pictures import FacePatches

    return held(FacePatches, of(frames, SIDE), clip(frames))


def pasted(frames: int) -> list[Tensor]:
    """Run Paste Portrait Back."""
    from ...face_tools.pictures.crop import Crop
    from ...nodes.face.paste import PasteBack

    return held(
        PasteBack, of(frames, SIDE), of(frames, SHOWN), Crop(60, 60, 400, SHOWN, (SIDE, SIDE)), 0.1, 0.5
    )


def encoded(frames: int) -> list[Tensor]:
    """Run Encode Performance, v2, for a tiny UNet."""
    from ...nodes.hellomeme.encode import EncodeDrive
    from ...nodes.hellomeme.face_motion import FaceMotion
    from ...nodes.hellomeme.networks import managed
    from ...sk_attention.drive_encoders import FACE_MOTION
    from ...sk_attention.published_files import DRIVE, find_part
    from ...testing.golden import Golden
    from ...testing.tiny_comfy import operations

    part = find_part(DRIVE, "v2", "motion_drive")
    sizes = dict(part.published) | {"widths": (16, 64, 128, 128, 128), "context_dim": 32}
    encoder = managed(Golden().loaded("control2_v2", part, sizes, operations))
    motion = FaceMotion(torch.zeros(frames, FACE_MOTION), torch.zeros(1, FACE_MOTION))
    pictures = of(frames, SHOWN)
    drive = EncodeDrive.execute(encoder, pictures, clip(frames), face_motion=motion)[0]
    return [pictures, *drive.features.values()]


def tracked(frames: int) -> list[Tensor]:
    """Run Track Face in Video on 720p."""
    with TemporaryDirectory() as folder:
        return _tracked(frames, folder)[1]


def pasted_into_video(frames: int) -> list[Tensor]:
    """Run Paste Portrait Back into Video on the result of Track Face in Video."""
    from ...nodes.face.paste import PasteBackVideo

    with TemporaryDirectory() as folder:
        film, seen, crop = _tracked(frames, folder)
        PasteBackVideo.execute(film, seen[0], crop, 0.1, 0.5)
        return seen


def _tracked(frames: int, folder: str):
    """Return a film of a talking head, the outputs of Track Face in Video for it, and the crop."""
    from comfy_api.latest import InputImpl

    from ... import material
    from ...nodes import folders
    from ...nodes.face.track import TrackVideo
    from .faces import wide_clip

    folders.register()
    film = InputImpl.VideoFromFile(str(wide_clip(material.driver(), Path(folder) / "film.mp4", frames)))
    part, which, square = (0.0, 0.0, 0.0), ("mediapipe-mesh", "largest", 1, "hold"), ("v5", 0.0, SHOWN)
    images, track, crop, measured, *_ = TrackVideo.execute(film, *part, *which, *square).result
    return film, [images, measured, torch.from_numpy(track.landmarks)], crop


# node -> function that runs it on this many frames and returns its inputs and outputs
NODES: dict[str, Callable[[int], list[Tensor]]] = {
    "Crop Portrait": cropped,
    "Draw Head Pose": posed,
    "Crop Eyes and Mouth": cut,
    "Paste Portrait Back": pasted,
    "Track Face in Video": tracked,
    "Paste Portrait Back into Video": pasted_into_video,
    "Encode Performance": encoded,
}
