"""Speed and memory of every face tracker that can run here, on the talking head and a 720p clip made from it.

The speed of the nodes that crop, draw and paste pictures of that clip is measured too.

python run.py bench faces [--source NAME] [--models FOLDER] [--frames 100 2000]

Frames per second include reading the video. Every run is a process of its own, because the peak memory of a
process never decreases. Memory is flat if the peaks at both lengths of the 720p clip differ by less than a
tenth plus the track itself. A row with a goal passes or fails; the goals are for two cores. If the HelloMeme
models are in FOLDER, the stages of the official tool are timed as well (one frame at a time; detector and
landmarks on every frame, twice).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import time
from itertools import cycle, islice
from pathlib import Path

import numpy as np

from ... import material
from ...face_tools import video
from ...face_tools.trackers import sources
from ...face_tools.trackers.faces import ModelFiles
from ...face_tools.trackers.tracking import track_faces
from ...host import installation
from ..options import bench_parser
from ..processes import answer_of, peak_memory
from ..verdict import verdict

WIDE = (1280, 720)
STAGE_FRAMES = 50
TRACKED = {"mediapipe-mesh": 120.0}  # frames of 720p per second that a tracker should reach


def main(argv: list[str]) -> int:
    parser = bench_parser("faces", __doc__)
    parser.add_argument(
        "--source", choices=sources.MODULES, help="one alone; also one that never runs by default"
    )
    parser.add_argument("--models", help="folder of face models (default: models/face_tools of ComfyUI)")
    parser.add_argument("--frames", type=int, nargs=2, default=(100, 2000), help="lengths of the 720p clip")
    parser.add_argument("--one", nargs=2, metavar=("SOURCE", "CLIP"), help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    models = ModelFiles((options.models or default_folder(),))
    if options.one:
        print(json.dumps(measure(*options.one, models)))
        return 0
    chosen = [options.source] if options.source else sources.MODULES
    with tempfile.TemporaryDirectory() as folder:
        talk = material.driver()
        wide = [wide_clip(talk, Path(folder) / f"720p_{count}.mp4", count) for count in options.frames]
        print(f"{'tracker':<16} {'clip':<14} {'frames':>6} {'found':>6} {'frames/s':>9} {'peak MiB':>9}")
        ran = [name for name in chosen if may_run(name, models, named=bool(options.source))]
        rows = [row for name in ran for row in compare(name, talk, wide, models)]
        if ran:
            rows += pictures(wide[0], ran[0], models, folder)
        if "hello-onnx" in chosen and sources.available(models)["hello-onnx"] is None:
            stages(models, list(islice(video.frames(wide[0]), STAGE_FRAMES)))
    return verdict(rows)


def pictures(clip: Path, tracker: str, models: ModelFiles, folder: str) -> list[bool]:
    """Print the times of the nodes. Returns for each goal whether it is met."""
    # Imported here, because it imports torch, which would raise the peaks of the other processes.
    from . import faces_nodes

    costs = faces_nodes.costs(clip, tracker, models, folder)
    if costs is None:
        print("nodes: left out, there is no ComfyUI")
        return []
    for name, milliseconds in costs.items():
        goal = faces_nodes.GOALS.get(name)
        judged = "" if goal is None else f", goal {goal:g}: {_judged(milliseconds <= goal)}"
        print(f"{name:<37} {milliseconds:6.1f} ms per frame at 720p{judged}", flush=True)
    return [costs[name] <= goal for name, goal in faces_nodes.GOALS.items()]


def _judged(passed: bool) -> str:
    return "pass" if passed else "FAIL"


def default_folder() -> str:
    comfy = installation.find()
    return str((comfy or Path()) / "models" / "face_tools")


def may_run(name: str, models: ModelFiles, named: bool) -> bool:
    """Return whether a tracker runs, and print the reason if not.

    One that sends data runs only if chosen by name.
    """
    reason = sources.available(models)[name] or (None if named else sources.consent(name))
    if reason:
        print(f"{name:<16} left out: {reason}")
    return reason is None


def wide_clip(talk: Path, path: Path, count: int) -> Path:
    """Write `count` frames of 1280x720 with the talking head, looped, in the middle of a grey picture."""
    import av
    import cv2

    rows = list(video.frames(talk))
    high = round(WIDE[1] * 0.9)
    width = round(high * rows[0].shape[1] / rows[0].shape[0])
    x, y = (WIDE[0] - width) // 2, (WIDE[1] - high) // 2
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=30)
        stream.width, stream.height, stream.pix_fmt, stream.bit_rate = *WIDE, "yuv420p", 8_000_000
        for row in islice(cycle(rows + rows[::-1]), count):
            frame = np.full((WIDE[1], WIDE[0], 3), 128, np.uint8)
            frame[y : y + high, x : x + width] = cv2.resize(row, (width, high), interpolation=cv2.INTER_CUBIC)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def measure(name: str, clip: str, models: ModelFiles) -> dict[str, float]:
    """Track a video file in this process.

    Returns frames, found, seconds, bytes of the track and peak bytes of the process.
    """
    with sources.open_source(name, models) as source:
        start = time.perf_counter()
        track = track_faces(video.frames(clip), source, 30.0, on_miss="interpolate")
        seconds = time.perf_counter() - start
    size = sum(value.nbytes for value in vars(track).values() if isinstance(value, np.ndarray))
    found, peak = int(track.valid.sum()), peak_memory()
    return {"frames": len(track), "found": found, "seconds": seconds, "track": size, "peak": peak}


def compare(name: str, talk: Path, wide: list[Path], models: ModelFiles) -> list[bool]:
    """Print one row per clip. Returns whether memory is flat, and whether the goal for 720p is met."""
    rows = []
    for label, clip in [("talking head", talk), *(("720p", path) for path in wide)]:
        command = ["--models", models.folders[0], "--one", name, str(clip)]
        row = answer_of("faces", *command, stderr=subprocess.DEVNULL)
        rate, peak = row["frames"] / row["seconds"], row["peak"] / 2**20
        print(
            f"{name:<16} {label:<14} {row['frames']:>6} {row['found']:>6} {rate:>9.1f} {peak:>9.0f}",
            flush=True,
        )
        rows.append(row)
    few, many = rows[1:]
    growth, allowed = many["peak"] - few["peak"], 0.1 * few["peak"] + many["track"]
    print(
        f"{name:<16} memory {'flat' if growth < allowed else 'GROWS'}: {growth / 2**20:+.0f} MiB from {few['frames']} to "
        f"{many['frames']} frames, the track itself is {many['track'] / 2**20:.0f} MiB"
    )
    if name not in TRACKED:
        return [growth < allowed]
    rate, goal = many["frames"] / many["seconds"], TRACKED[name]
    print(f"{name:<16} {rate:.1f} frames per second at 720p, goal {goal:g}: {_judged(rate >= goal)}")
    return [growth < allowed, rate >= goal]


def stages(models: ModelFiles, frames: list[np.ndarray]) -> None:
    """Print the milliseconds per frame of each of the official tool's networks and of its whole pass."""
    from ...face_tools.trackers.head_pose import focal_length
    from ...face_tools.trackers.onnx_face import (
        FACE_SIZE,
        LANDMARK_SIZE,
        UPRIGHT_MARGIN,
        cut_around_box,
        pose_cut,
        take,
        upright_cut,
    )

    box = np.float32([WIDE[0] * 0.3, WIDE[1] * 0.2, WIDE[0] * 0.7, WIDE[1] * 0.9])
    with sources.open_source("hello-onnx", models) as source:
        pictures = [np.ascontiguousarray(frame[..., ::-1]) for frame in frames]
        first = cut_around_box(box, LANDMARK_SIZE, UPRIGHT_MARGIN)
        points = source.landmarks(pictures[0], [first])[0].points
        pose, level = pose_cut(points), upright_cut(points, FACE_SIZE)
        cost = {
            "detector": lambda bgr: source.detector.detect(bgr),
            "landmarks": lambda bgr: source.landmarks(bgr, [first]),
            "3DMM": lambda bgr: source.pose(
                [take(bgr[..., ::-1], pose, FACE_SIZE)], [pose], WIDE, focal_length(WIDE)
            ),
            "coefficients": lambda bgr: source.coefficients([take(bgr, level, FACE_SIZE)]),
        }
        for name, run in cost.items():
            start = time.perf_counter()
            for bgr in pictures:
                run(bgr)
            cost[name] = 1000 * (time.perf_counter() - start) / len(pictures)
    whole = 2 * (cost["detector"] + cost["landmarks"]) + cost["3DMM"] + cost["coefficients"]
    parts = ", ".join(f"{name} {milliseconds:.1f}" for name, milliseconds in cost.items())
    print(
        f"{'official stages':<16} ms per frame at 720p: {parts}; its two passes together {whole:.1f} ms, {1000 / whole:.1f} frames/s"
    )
