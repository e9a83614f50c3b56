"""Turned and mirrored clips, trackers that send data away, and the cost of a short part of a long film."""

from __future__ import annotations

import time
import tracemalloc
from functools import cache
from itertools import cycle, islice
from pathlib import Path
from statistics import median
from unittest import mock

import numpy as np
import pytest

from sk_portrait.face_tools import video
from sk_portrait.face_tools.pictures.crop import Clip, Crop
from sk_portrait.face_tools.track import FaceTrack
from sk_portrait.face_tools.track_errors import UnusableTrackerError
from sk_portrait.face_tools.trackers import mediapipe_mesh, mediapipe_tasks, sources
from sk_portrait.face_tools.trackers.faces import ModelFiles
from sk_portrait.face_tools.trackers.tracking import track_faces
from sk_portrait.testing.talking_head import clip_path
from sk_portrait.testing.videos import long_film, write_video

EVERY, FPS = 4, 7.5  # the clip is tracked at a quarter of its rate
ROLL = 3.0  # degrees that the roll of a detected frame may be off
DEARER = 1.2  # cost of a part of a long film, relative to a film of only that part
ROUNDS = 5
needs_mesh = pytest.mark.skipif(
    mediapipe_mesh.missing(ModelFiles()) is not None, reason="MediaPipe's face mesh is absent"
)
NOTES = {
    0: "",
    1: "lies on its side in 30 of 30",
    2: "is upside down in 30 of 30",
    3: "lies on its side in 30 of 30",
}


@cache
def clip() -> tuple[np.ndarray, ...]:
    return tuple(video.frames(clip_path()))[::EVERY]


def tracked(frames) -> FaceTrack:
    with sources.open_source("mediapipe-mesh", ModelFiles()) as source:
        return track_faces(frames, source, FPS, on_miss="hold")


@pytest.fixture(scope="module")
def upright_roll() -> np.ndarray:
    """(30,) roll of the clip as it is, radians."""
    return tracked(clip()).rotation[:, 2]


@needs_mesh
@pytest.mark.parametrize("mirrored", [False, True], ids=["", "mirrored"])
@pytest.mark.parametrize("quarters", NOTES)
def test_a_real_clip_turned_by_quarters(quarters, mirrored, upright_roll):
    frames = [
        np.ascontiguousarray(np.rot90(frame[:, ::-1] if mirrored else frame, quarters)) for frame in clip()
    ]
    track = tracked(frames)
    wanted = upright_roll * (-1 if mirrored else 1) + quarters * np.pi / 2
    off = np.abs((np.degrees(track.rotation[:, 2] - wanted) + 180) % 360 - 180)
    assert track.valid.all() and off.max() <= ROLL
    assert NOTES[quarters] in " ".join(track.notes[1:]) and bool(track.notes[1:]) == bool(NOTES[quarters])


def test_a_workflow_cannot_allow_a_tracker_that_sends_usage_metrics(tmp_path, monkeypatch):
    monkeypatch.setattr(mediapipe_tasks, "installed_version", lambda: (1, 0, 0))
    monkeypatch.setattr(mediapipe_tasks, "_broken", lambda *_: None)
    (tmp_path / mediapipe_tasks.FILE).write_bytes(b"model")
    with mock.patch.object(mediapipe_tasks, "open_source") as ran:
        with pytest.raises(UnusableTrackerError, match="A workflow cannot allow that: start ComfyUI with"):
            sources.open_source("mediapipe-tasks", ModelFiles((str(tmp_path),)))
    assert not ran.called


def cost(path: Path) -> tuple[float, int]:
    """Processor seconds and peak bytes of Track Video for two seconds of a file."""
    from comfy_api.latest import InputImpl

    from sk_portrait.nodes.face.track import TrackVideo

    part, tracker = (0.0, 0.0, 2.0), ("mediapipe-mesh", "largest", 1, "hold", "v5", 0.0, 128)
    tracemalloc.start()
    began = time.process_time()
    images, *_ = TrackVideo.execute(InputImpl.VideoFromFile(str(path)), *part, *tracker).args
    spent, peak = time.process_time() - began, tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(images) == 50
    return spent, peak


@pytest.mark.slow
@needs_mesh
def test_two_seconds_of_an_hour_cost_what_a_film_of_two_seconds_costs(comfy, tmp_path):
    frames = list(islice(cycle(clip()), 1500))
    film = long_film(
        tmp_path / "hour.mp4", write_video(tmp_path / "minute.mp4", frames, tone_seconds=60.0), 60
    )
    short = write_video(tmp_path / "short.mp4", frames[:50], tone_seconds=2.0)
    hour = video.probe(film)
    assert abs(hour.seconds - 3600) < 2 and hour.audio
    cost(short)  # imports and the model
    rounds = [(*cost(film), *cost(short)) for _ in range(ROUNDS)]  # in turn: other load meets both
    film_time, film_peak, short_time, short_peak = map(median, zip(*rounds))
    assert film_time <= DEARER * short_time and film_peak <= DEARER * short_peak


def pasted(film: Path, start: float) -> int:
    """Peak bytes, of Python and NumPy, of Paste Back into Video for three seconds of a file, beside the portraits."""
    import torch
    from comfy_api.latest import InputImpl

    from sk_portrait.nodes.face.paste import PasteBackVideo

    crop = Crop(200, 50, 256, 256, (640, 360), Clip(25.0, start, 75))
    portraits = torch.full((75, 256, 256, 3), 0.5)
    tracemalloc.start()
    (made,) = PasteBackVideo.execute(InputImpl.VideoFromFile(str(film)), portraits, crop, 0.1, 0.0).args
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert sum(1 for _ in video.frames(made.get_stream_source())) == 75
    return peak


@pytest.mark.slow
def test_pasting_into_two_minutes_takes_the_memory_of_three_seconds(comfy, tmp_path, monkeypatch):
    import folder_paths

    monkeypatch.setattr(folder_paths, "get_temp_directory", lambda: str(tmp_path))
    frames = [np.full((360, 640, 3), 8 * (k % 30), np.uint8) for k in range(75)]
    short = write_video(tmp_path / "short.mp4", frames, tone_seconds=3.0)
    film = long_film(
        tmp_path / "film.mp4", write_video(tmp_path / "minute.mp4", frames * 20, tone_seconds=60.0), 2
    )
    assert abs(video.probe(film).seconds - 120) < 1
    assert pasted(film, 100.0) <= DEARER * pasted(short, 0.0)
