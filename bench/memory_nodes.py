"""What the nodes that hold pictures of a clip take a frame: their inputs and outputs, and no more. For `bench memory`."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

SIDE, SHOWN = 512, 256  # pixels of the frames, and of what is cropped, drawn and pasted


def clip(frames: int):
    """A track of a face that stays in the middle."""
    from ..face_tools.track import FaceTrack

    points = np.random.default_rng(0).uniform(SIDE * 0.35, SIDE * 0.65, (478, 3)).astype(np.float32)
    landmarks = np.broadcast_to(points, (frames, 478, 3)).copy()
    box = np.tile(np.float32([SIDE * 0.35, SIDE * 0.35, SIDE * 0.65, SIDE * 0.65]), (frames, 1))
    rotation, place = np.zeros((frames, 3), np.float32), np.tile(np.float32([0, 0, -7]), (frames, 1))
    return FaceTrack("bench", "mediapipe478", 25.0, (SIDE, SIDE), np.ones(frames, bool), box, landmarks, rotation, place, None)


def nodes(frames: int) -> dict[str, Callable[[], list[Tensor]]]:
    """Node -> what it takes and gives for so many frames."""
    from ..face_tools.pictures.crop import Crop
    from ..nodes.face.paste import PasteBack
    from ..nodes.face.pictures import CropPortrait, DrawHeadPose, FacePatches

    crop = Crop(60, 60, 400, SHOWN, (SIDE, SIDE))

    def of(side: int) -> Tensor:
        return torch.full((frames, side, side, 3), 0.5)

    def given(execute: Callable, *wires) -> list[Tensor]:
        return [t for t in (*wires, *execute(*wires).result) if isinstance(t, Tensor) and len(t) == frames]

    return {
        "Crop Portrait": lambda: given(lambda i: CropPortrait.execute(i, clip(frames), "v5", 0.0, SHOWN), of(SIDE)),
        "Draw Head Pose": lambda: given(lambda: DrawHeadPose.execute(clip(frames), 0.0, SHOWN)),
        "Face Patches": lambda: given(lambda i: FacePatches.execute(i, clip(frames)), of(SIDE)),
        "Paste Portrait Back": lambda: given(lambda i, p: PasteBack.execute(i, p, crop, 0.1, 0.5), of(SIDE), of(SHOWN)),
        "Encode Portrait Drive": lambda: encoded(of(SHOWN)),
    }


def encoded(pictures: Tensor) -> list[Tensor]:
    """Encode Drive, v2, of a narrow UNet."""
    from ..nodes.hellomeme.encode import EncodeDrive
    from ..nodes.hellomeme.face_motion import FaceMotion
    from ..nodes.hellomeme.networks import managed
    from ..sk_attention.drive import FACE_MOTION
    from ..sk_attention.parts import DRIVE, find_part
    from .golden import Golden
    from .narrow_comfy import operations

    part = find_part(DRIVE, "v2", "motion_drive")
    sizes = dict(part.published) | {"widths": (16, 64, 128, 128, 128), "context_dim": 32}
    encoder = managed(Golden().loaded("control2_v2", part, sizes, operations))
    motion = FaceMotion(torch.zeros(len(pictures), FACE_MOTION), torch.zeros(1, FACE_MOTION))
    drive = EncodeDrive.execute(encoder, pictures, clip(len(pictures)), face_motion=motion)[0]
    return [pictures, *drive.features.values()]


NAMES = ("Crop Portrait", "Draw Head Pose", "Face Patches", "Paste Portrait Back", "Encode Portrait Drive")
