"""`python run.py train data CLIPS --out FOLDER`: tracks, crops and encodes real clips as training data.

An unusable clip is listed with its reason; no clip or frame is dropped silently.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..errors import SKPortraitError
from ..face_tools import video
from ..face_tools.coefficients import to_network_order
from ..face_tools.editing.approximate import approximate_coefficients
from ..face_tools.opencv import cv2
from ..face_tools.pictures.crop import CROP_RULES, portrait_crop
from ..face_tools.pictures.patches import REGIONS, plan_patches
from ..face_tools.track import FaceTrack
from ..face_tools.trackers.schemes import scheme_of
from ..face_tools.trackers.tracking import track_faces
from .base import Autoencoder
from .data import ShardWriter
from .errors import TrainDataError

FPS = 15.0  # of the paper's clips
BATCH = 8  # frames encoded together
# Pixels of standard deviation on a 224 px patch: keeps the expression and removes the identity (section 3.3).
BLUR = 12.0
ENDINGS = {".mp4", ".mov", ".mkv", ".webm", ".avi"}
Embed = Callable[[np.ndarray], Tensor]  # (F, 224, 224, 3) uint8 pictures -> (F, 1024)


def clips_in(folder: Path) -> list[Path]:
    """Return the video files of a folder and its subfolders. Raises TrainDataError if there are none."""
    found = (
        sorted(path for path in folder.rglob("*") if path.suffix.lower() in ENDINGS)
        if folder.is_dir()
        else []
    )
    if not found:
        raise TrainDataError(
            f"There is no clip in {folder}: a folder of videos is needed ({', '.join(sorted(ENDINGS))}).",
            folder,
        )
    return found


def prepare(
    folder: Path,
    out: Path,
    autoencoder: Autoencoder,
    source,
    size: int = 512,
    embed: Embed | None = None,
    tell: Callable[[str], None] = lambda line: None,
) -> list[tuple[Path, str]]:
    """Encode every clip of `folder` that is not in `out` yet; return the unusable ones with their reasons.

    source: a tracker of face_tools; embed: CLIP vision for the patches, None = no embeddings, and the
      networks get zeros
    tell:   called with one line per clip
    """
    bad: list[tuple[Path, str]] = []
    with ShardWriter(out, size, autoencoder.digest) as shards:
        known = shards.names
        for path in clips_in(folder):
            name = path.relative_to(folder).as_posix()
            if name in known:
                continue
            try:
                tensors = encoded(*_read(path), autoencoder, source, size, embed)
            except (SKPortraitError, ValueError, OSError) as error:
                bad.append((path, str(error)))
                tell(f"unusable  {name}: {error}")
                continue
            shards.add(name, tensors)
            tell(f"encoded   {name}: {len(tensors['latents'])} frames")
    return bad


def _read(path: Path) -> tuple[list[np.ndarray], float]:
    """Read every frame, or every k-th, for about FPS frames per second."""
    step = max(1, round(video.probe(path).fps / FPS))
    return list(video.frames(path))[::step], video.probe(path).fps / step


def encoded(
    frames: Sequence[np.ndarray],
    fps: float,
    autoencoder: Autoencoder,
    source,
    size: int,
    embed: Embed | None = None,
) -> dict[str, Tensor]:
    """Return the tensors of one clip, as described in `data`. Raises TrackError for a clip without faces."""
    track = track_faces(frames, source, fps)
    crop = portrait_crop(track, CROP_RULES["v2"], size)
    track, frames = crop.track(track), [crop.cut(frame) for frame in frames]
    track = approximate_coefficients(track)
    tensors = {
        "latents": _latents(frames, autoencoder).half(),
        "rotation": torch.from_numpy(track.rotation).float(),
        "translation": torch.from_numpy(track.translation).float(),
        "coefficients": torch.from_numpy(to_network_order(track.coefficients)).float(),
        "mask": torch.from_numpy(masks(track, size // 8)),
    }
    if embed is not None:
        tensors["patches"] = _patches(frames, track, embed).half()
    return tensors


def _latents(frames: Sequence[np.ndarray], autoencoder: Autoencoder) -> Tensor:
    pictures = torch.from_numpy(np.stack(frames)).movedim(-1, 1)
    return torch.cat([autoencoder.encode(batch.float() / 127.5 - 1) for batch in pictures.split(BATCH)])


def masks(track: FaceTrack, cells: int) -> np.ndarray:
    """(F, cells, cells) uint8 masks of eyes and mouth: convex hulls of their landmarks, 255 inside, with
    edges softened by downscaling.
    """
    scheme = scheme_of(track.scheme)
    regions = [list(getattr(scheme, name)) for name in REGIONS]
    result = np.zeros((len(track), cells, cells), np.uint8)
    for k, points in enumerate(track.landmarks):
        mask = np.zeros(track.size[::-1], np.uint8)
        for region in regions:
            cv2.fillConvexPoly(mask, cv2.convexHull(points[region, :2].round().astype(np.int32)), 255)
        result[k] = cv2.resize(mask, (cells, cells), interpolation=cv2.INTER_AREA)
    return result


def _patches(frames: Sequence[np.ndarray], track: FaceTrack, embed: Embed) -> Tensor:
    """(F, 3, 1024) embeddings of the strongly blurred patches."""
    plan = plan_patches(track)
    cuts = [plan.cut(frame, k) for k, frame in enumerate(frames)]
    blurred = {
        name: np.stack([cv2.GaussianBlur(cut[name], (0, 0), BLUR) for cut in cuts]) for name in REGIONS
    }
    return torch.stack(
        [
            torch.cat([embed(part) for part in np.array_split(blurred[name], -(-len(cuts) // BATCH))])
            for name in REGIONS
        ],
        1,
    )
