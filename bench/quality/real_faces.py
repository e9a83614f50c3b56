"""Real clips and pictures: whether the pack keeps what a tracker finds, in every orientation of the picture.

python run.py bench real_faces --clips FOLDER --pictures FOLDER [--tracker mesh|tasks|comfy]

The reference is the tracker alone on the upright frames. A frame is flipped if its roll differs by more
than 90 degrees, dropped if the tracker alone found a face and the track has none, right if its landmarks are
within 12 % of the face's width. Every clip is tracked again turned by 90, 180 and 270 degrees. "cuts" counts
notes about another person. The last columns are frames per CPU second of the tracker alone and of the track,
and the difference in cost.

`mesh` and `tasks` need mediapipe 0.10.21. `comfy` runs ComfyUI's own landmarker with the networks of the real
face_landmarker.task. Without --clips, the talking head that the tests use is measured.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from ... import material
from ...face_tools import video
from ...face_tools.geometry import wrapped
from ...face_tools.track import FaceTrack
from ...face_tools.track_errors import TrackError
from ...face_tools.trackers import sources
from ...face_tools.trackers.faces import Face, ModelFiles, Source, turned_back
from ...face_tools.trackers.tracking import track_faces
from ...host import installation
from ..options import bench_parser

TURNS = (0, 1, 2, 3)
RIGHT = 0.12  # share of the face's width
COUNTS = ("frames", "found", "flipped", "dropped", "cuts")
SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}
Frames = Sequence[np.ndarray]
T = TypeVar("T")


def main(argv: list[str]) -> int:
    parser = bench_parser("real_faces", __doc__)
    parser.add_argument("--clips", type=Path, help="folder of videos, upright, one person each")
    parser.add_argument("--pictures", type=Path, nargs="*", default=[], help="folders of pictures")
    parser.add_argument("--tracker", choices=TRACKERS, action="append", help="default: mesh and tasks")
    parser.add_argument("--every", type=int, default=1, help="measure every Nth frame only")
    parser.add_argument("--repeat", type=int, default=1, help="measure the cost N times, the best counts")
    parser.add_argument("--clip", help="only the clips whose name contains this")
    options = parser.parse_args(argv)
    clips = sorted(options.clips.glob("*.mp4")) if options.clips else [material.driver()]
    clips = [clip for clip in clips if not options.clip or options.clip in clip.name]
    pictures = sorted(
        path for folder in options.pictures for path in folder.iterdir() if path.suffix in SUFFIXES
    )
    for name in options.tracker or ("mesh", "tasks"):
        with TRACKERS[name]() as source:
            measure(name, source, clips, pictures, options)
    return 0


def mesh() -> Source:
    return sources.open_source("mediapipe-mesh", ModelFiles())


def tasks() -> Source:
    return sources.open_source("mediapipe-tasks", ModelFiles((str(material.face_landmarker().parent),)))


def comfy() -> Source:
    """Raises SystemExit if there is no ComfyUI."""
    from ...face_tools.coefficients import ASSUMED_ORDER

    found = installation.find()
    if found is None:
        raise SystemExit("ComfyUI is absent: set COMFYUI_PATH.")
    installation.enter(found, Path(tempfile.mkdtemp()))
    from ...nodes.face.host_tracker import HostTracker
    from ...testing import real_landmarker

    return HostTracker(real_landmarker.load(material.face_landmarker()), ASSUMED_ORDER)


TRACKERS: dict[str, Callable[[], Source]] = {"mesh": mesh, "tasks": tasks, "comfy": comfy}


@dataclass(frozen=True)
class Row:
    """Measurements of a clip: numbers of frames, share of right frames per turn, CPU seconds per frame."""

    name: str
    frames: int
    found: int
    flipped: int
    dropped: int
    cuts: int
    right: tuple[float, ...]
    alone: float
    ours: float

    def __str__(self) -> str:
        right = " ".join(f"{100 * share:6.1f}" for share in self.right)
        speed = f"{1 / self.alone:7.1f} {1 / self.ours:7.1f} {100 * (self.ours / self.alone - 1):+6.1f} %"
        counts = f"{self.frames:6} {self.found:6} {self.flipped:7} {self.dropped:7} {self.cuts:5}"
        return f"{self.name:<22} {counts}  {right}  {speed}"


def measure(name: str, source: Source, clips: list[Path], pictures: list[Path], options) -> None:
    """Print one row per clip, and one for all pictures."""
    print(f"\n{name} ({source.name})")
    list(source.track(video.frames(material.driver(), seconds=0.2)))  # the first frames load the networks
    counts = f"{'frames':>6} {'found':>6} {'flipped':>7} {'dropped':>7} {'cuts':>5}"
    print(f"{'':<22} {counts}  right at 0, 90, 180, 270 degrees, %  frames per CPU s: alone, ours")
    for clip in clips:
        frames = list(video.frames(clip))[:: options.every]
        print(clip_row(clip.name, source, frames, options.repeat), flush=True)
    if pictures:
        rows = [clip_row(path.name, source, [_picture(path)]) for path in pictures]
        for row in rows:
            if row.dropped or row.flipped or min(row.right) < 1:
                print(row, flush=True)
        print(_sum(f"{len(rows)} pictures", rows))


def clip_row(name: str, source: Source, frames: Frames, repeat: int = 1) -> Row:
    timed = [
        (_timed(lambda: list(source.track(iter(frames)))), _timed(lambda: _track(source, frames)))
        for _ in range(repeat)
    ]
    seconds = np.array([(a[0], b[0]) for a, b in timed]).min(0) / len(frames)
    (_, answers), (_, track) = timed[0]
    alone = [max(faces, key=_size, default=None) for faces in answers]
    tracks = [track]
    turned = ([np.ascontiguousarray(np.rot90(frame, turn)) for frame in frames] for turn in TURNS[1:])
    tracks += [_track(source, clip) for clip in turned]
    found = [k for k, face in enumerate(alone) if face is not None]
    upright = tracks[0]
    measured = [k for k in found if upright is not None and upright.valid[k]]
    flips = [k for k in measured if abs(wrapped(upright.rotation[k, 2] - alone[k].rotation[2])) > np.pi / 2]
    return Row(
        name,
        len(frames),
        len(found),
        len(flips),
        len(found) - len(measured),
        sum("another person" in note for note in upright.notes) if upright else 0,
        tuple(_share_right(track, turn, alone, frames) for track, turn in zip(tracks, TURNS)),
        *seconds.tolist(),
    )


def _timed(work: Callable[[], T]) -> tuple[float, T]:
    """Return the CPU seconds of all threads, and the result."""
    start = time.process_time()
    result = work()
    return time.process_time() - start, result


def _track(source: Source, frames: Frames) -> FaceTrack | None:
    try:
        return track_faces(frames, source, 25.0, on_miss="hold")
    except TrackError:
        return None  # no face in any frame


def _share_right(track: FaceTrack | None, turn: int, alone: list[Face | None], frames: Frames) -> float:
    """Return the share of frames with a face in which the track of the turned clip matches it."""
    size = frames[0].shape[1], frames[0].shape[0]
    found = [k for k, face in enumerate(alone) if face is not None]
    if track is None:
        return float(not found)
    return sum(track.valid[k] and _same(track.landmarks[k], turn, size, alone[k]) for k in found) / max(
        len(found), 1
    )


def _same(landmarks: np.ndarray, turn: int, size: tuple[int, int], face: Face) -> bool:
    apart = np.linalg.norm(turned_back(landmarks[:, :2], turn, size) - face.landmarks[:, :2], axis=1).mean()
    return bool(apart < RIGHT * np.ptp(face.landmarks[:, 0]))


def _size(face: Face) -> float:
    return float(np.prod(face.box[2:] - face.box[:2]))


def _picture(path: Path) -> np.ndarray:
    from PIL import Image

    return np.asarray(Image.open(path).convert("RGB"))


def _sum(name: str, rows: list[Row]) -> Row:
    counts = (sum(getattr(row, field) for row in rows) for field in COUNTS)
    right = tuple(np.mean([row.right for row in rows], axis=0))
    costs = (float(np.mean([getattr(row, field) for row in rows])) for field in ("alone", "ours"))
    return Row(name, *counts, right, *costs)
