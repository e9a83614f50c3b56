"""Measures one clip."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np

from ..face_tools import video
from ..face_tools.comparison.compare import Comparison, compare, report
from ..face_tools.comparison.gather import gather, picked, with_coefficients
from ..face_tools.comparison.looks import aligned_face, cosine
from ..face_tools.comparison.pictures import draw_curves, draw_sheet
from ..face_tools.comparison.pixels import pairs, psnr, ssim
from ..face_tools.embedding import FaceEmbedder
from ..face_tools.opencv import cv2
from ..face_tools.track import FaceTrack
from ..face_tools.track_errors import TrackFileError
from ..face_tools.trackers.faces import Source
from ..face_tools.trackers.tracking import track_faces
from .metrics import FVD_FRAMES, Networks, consecutive
from .pairing import Job

BATCH = 16
SHOWN = 4  # frames in the sheet of a clip, worst first


@dataclass(frozen=True)
class Tools:
    """The tools of a measurement: the face tracker, the networks of the metrics, ArcFace if available, and
    the number of frames per clip (0 = all).
    """

    source: Source
    networks: Networks
    embedder: FaceEmbedder | None
    frames: int = 0
    fps: float = 0.0

    def read(self, path: Path, fps: float) -> Iterator[np.ndarray]:
        """Yield the frames of a clip."""
        stream = video.frames(path, fps)
        return islice(stream, self.frames) if self.frames else stream


@dataclass
class Measured:
    """Results of one clip.

    figures: name -> number (nan if it could not be measured); features: for
    metrics over all clips; pictures: name -> RGB.
    """

    figures: dict[str, float]
    report: str
    faults: list[str]
    features: dict[str, np.ndarray] = field(default_factory=dict)
    pictures: dict[str, np.ndarray] = field(default_factory=dict)


def measure(job: Job, tools: Tools) -> Measured:
    """Compare one result with its driver, and with its ground truth if there is one."""
    fps = tools.fps or video.probe(job.result).fps
    whole = {path: partial(tools.read, path, fps) for path in job.clips}
    tracks = {path: _tracked(frames(), tools.source, fps) for path, frames in whole.items()}
    length = min(map(len, tracks.values()))
    clips = {path: _first(frames, length) for path, frames in whole.items()}
    portrait = None if job.portrait is None else _picture(job.portrait)
    asked, result = (tracks[path].rows(slice(0, length)) for path in (job.asked, job.result))
    looked = portrait, tools.source, tools.embedder
    evidence, error = gather(asked, result, clips[job.result], clips[job.asked], *looked)
    comparison = compare(evidence, error=error)
    told = "\n".join([*_lengths(tracks, length), report(comparison)])
    measured = Measured(comparison.numbers(), told, [str(fault) for fault in comparison.faults])
    if job.truth is not None:
        measured.figures |= _pictures_against_truth(clips[job.result], clips[job.truth], tools)
        measured.figures["face_cos"] = _face_cos(clips, job, tracks, tools)
    real = clips[job.truth or job.driver]
    measured.features = _features(clips[job.result], real, job.name, length, tools.networks)
    measured.pictures = _shown(comparison, clips, job, portrait)
    return measured


def _tracked(frames: Iterable[np.ndarray], source: Source, fps: float) -> FaceTrack:
    return with_coefficients(track_faces(frames, source, fps, on_miss="interpolate"))


def _lengths(tracks: dict[Path, FaceTrack], length: int) -> list[str]:
    """Return a line that states the lengths if the clips differ in length."""
    counts = ", ".join(f"{path.parent.name}/{path.name} {len(track)}" for path, track in tracks.items())
    same = all(len(track) == length for track in tracks.values())
    return [] if same else [f"frames: {counts}; the first {length} are compared"]


def _first(frames: Callable, count: int) -> Callable:
    return lambda: islice(frames(), count)


def _picture(path: Path) -> np.ndarray:
    """Read (H, W, 3) uint8 RGB from a file."""
    picture = cv2.imread(str(path))
    if picture is None:
        raise TrackFileError(f"{path} cannot be read as a picture.", str(path))
    return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)


def _pictures_against_truth(result: Callable, truth: Callable, tools: Tools) -> dict[str, float]:
    """PSNR, SSIM and LPIPS, averaged over the frames; equal frames count as 100 dB."""
    values = {"psnr": [], "ssim": [], "lpips": []}
    for batch in _batches(pairs(result(), truth())):
        values["psnr"] += [min(psnr(*pair), 100.0) for pair in batch]
        values["ssim"] += [ssim(*pair) for pair in batch]
        if "LPIPS" in tools.networks.names:
            values["lpips"] += tools.networks.lpips_distances(*zip(*batch))
    return {name: float(np.mean(rows)) for name, rows in values.items() if rows}


def _face_cos(clips: dict[Path, Callable], job: Job, tracks: dict[Path, FaceTrack], tools: Tools) -> float:
    """Face-Cos of X-Dyna (Table 2), -1..1: cosine of the embeddings of result and ground truth per frame,
    by ArcFace instead of AdaFace.
    """
    if tools.embedder is None:
        return float("nan")
    both = tracks[job.result], tracks[job.truth]
    faces: tuple[list, list] = [], []
    for k, frames in enumerate(zip(clips[job.result](), clips[job.truth]())):
        if all(track.valid[k] for track in both):
            for side, frame, track in zip(faces, frames, both):
                side.append(aligned_face(frame, track.landmarks[k], track.scheme))
    return float(cosine(*map(tools.embedder.of_faces, faces)).mean()) if faces[0] else float("nan")


def _features(
    result: Callable, real: Callable, name: str, count: int, networks: Networks
) -> dict[str, np.ndarray]:
    features = {}
    first = consecutive(count, name)
    for side, frames in (("fake", result), ("real", real)):
        if "FID" in networks.names:
            rows = [networks.fid_features(batch) for batch in _batches(frames())]
            features[f"FID_{side}"] = np.concatenate(rows)
        if "FVD" in networks.names:
            features[f"FVD_{side}"] = networks.fvd_features(list(islice(frames(), first, first + FVD_FRAMES)))
    return features


def _batches(items) -> Iterator[list]:
    items = iter(items)
    while batch := list(islice(items, BATCH)):
        yield batch


def _shown(
    comparison: Comparison, clips: dict[Path, Callable], job: Job, portrait: np.ndarray | None
) -> dict[str, np.ndarray]:
    numbers = [int(k) for k in comparison.worst[:SHOWN]]
    results, drivers = (picked(clips[path](), numbers) for path in (job.result, job.asked))
    return {
        "sheet": draw_sheet(comparison, numbers, results, drivers, portrait, job.name),
        "curves": draw_curves(comparison),
    }
