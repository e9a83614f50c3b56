"""Faults of tracks and recordings: files of others, files that lie, disks that are full."""

from __future__ import annotations

import errno
import io
import json
import os
import signal
import subprocess
import sys
import time
import tracemalloc
import zipfile
from functools import partial
from pathlib import Path
from unittest import mock

import numpy as np

from ..face_tools import atomic_write, track_file, video_file
from ..face_tools.coefficients import ARKIT_51, LIVE_LINK_51
from ..face_tools.editing.adjust import parse
from ..face_tools.editing.timeline import retime
from ..face_tools.recordings.arkit_json import read_arkit_json
from ..face_tools.recordings.livelink import read_live_link
from ..face_tools.track import POINTS, FaceTrack
from ..host.environment import ROOT
from .fault import Table, keep, says

TABLE = Table()
MESH = POINTS["mediapipe478"]


def track_of(count: int = 4, scheme: str = "mediapipe478", coefficients: bool = True, seed: int = 0) -> FaceTrack:
    """A track of random numbers whose faces stand in the middle of 640 x 480."""
    rng = np.random.default_rng(seed)
    landmarks = (rng.random((count, POINTS[scheme], 3 if scheme == "mediapipe478" else 2)) * 100 + 200).astype(np.float32)
    box = np.tile(np.float32([200, 200, 300, 300]), (count, 1))
    return FaceTrack(
        "test", scheme, 25.0, (640, 480), np.ones(count, bool), box, landmarks,
        rng.normal(0, 0.2, (count, 3)).astype(np.float32), np.tile(np.float32([0, 0, -5]), (count, 1)),
        rng.random((count, 51)).astype(np.float32) if coefficients else None,
    )  # fmt: skip


def changed(folder: Path, without: str = "", **fields) -> Path:
    """A saved track with some fields exchanged, or without one."""
    track_file.save(track_of(), folder / "good.npz")
    good = dict(np.load(folder / "good.npz"))
    path = folder / "t.npz"
    np.savez_compressed(path, **{name: value for name, value in (good | fields).items() if name != without})
    return path


NAN, ROWS = np.float32(np.nan), np.ones((4, 3), np.float32)
FIELDS = {
    "whose rate is no number": ({"fps": np.nan}, "frame rate of a face track is above 0, got nan"),
    "whose rate is 0": ({"fps": 0.0}, "above 0, got 0"),
    "whose frames have no size": ({"size": np.array([0, 512])}, "1 to 65536 pixels a side"),
    "whose frames have three sides": ({"size": np.array([1, 2, 3])}, "pixels a side"),
    "with the landmarks of another scheme": ({"landmarks": np.ones((4, 222, 3), np.float32)}, r"is \(4, 478, 2 or 3\) float"),
    "whose rotation is flat": ({"rotation": np.ones(4, np.float32)}, r"rotation .* is \(4, 3\) float, got \(4,\)"),
    "of whole numbers": ({"box": np.ones((4, 4), np.int64)}, "box .* float, got .* int64"),
    "with NaN in it": ({"translation": ROWS * NAN}, "translation of a face track must be finite, and row 0"),
    "whose arrays differ in length": ({"valid": np.ones(3, bool)}, "one row a frame in every array"),
    "of fifty coefficients": ({"coefficients": np.ones((4, 50), np.float32)}, r"coefficients .* \(4, 51\) float"),
    "with a foreign field": ({"extra": np.ones(3)}, "extra does not belong to one"),
    "with a number for a name": ({"source": np.float64(3)}, "is not a word"),
    "of a newer version": ({"format_version": 9}, "has track format 9"),
    "without a rate": ({"without": "fps"}, "it lacks fps"),
    "without landmarks": ({"without": "landmarks"}, "it lacks landmarks"),
    "without a row": ({name: value[:0] for name, value in track_of().arrays().items()}, "at least one row, and this one has none"),
    "with a pickle in it": ({"notes": np.array([len], dtype=object)}, "damaged"),
}
for name, (fields, words) in FIELDS.items():
    TABLE.fault(f"a saved track {name}", words)(lambda folder, fields=fields: track_file.load(changed(folder, **fields)) and None)

OTHERS = {
    "0 bytes": b"",
    "a web page": b"<html>404</html>",
    "half a zip": b"PK\x03\x04 and no more",
    "a bare array": b"\x93NUMPY\x01\x00v\x00{",
}


def load_bytes(content: bytes, folder: Path) -> None:
    (folder / "t.npz").write_bytes(content)
    track_file.load(folder / "t.npz")


for name, content in OTHERS.items():
    TABLE.fault(f"{name} called .npz", "is not a face track saved by this pack, or it is damaged")(partial(load_bytes, content))


@TABLE.fault("a saved track that was cut, or written over", "damaged")
def cut(folder: Path) -> str:
    path = folder / "t.npz"
    track_file.save(track_of(), path)
    whole = path.read_bytes()
    said = ""
    for content in (whole[: len(whole) // 2], whole[:2000] + bytes(200) + whole[2200:]):
        path.write_bytes(content)
        said = says(lambda: track_file.load(path))
    return said


@TABLE.fault("a file of 1 MB that unpacks to a gigabyte", r"would unpack to 1\.2 GB; a face track holds")
def bomb(folder: Path) -> str:
    with zipfile.ZipFile(folder / "t.npz", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file:
        with file.open("landmarks.npy", "w", force_zip64=True) as member:
            for _ in range(110):
                member.write(bytes(10 << 20))
    return cheaply(folder / "t.npz")


@TABLE.fault("a header that announces a gigabyte which is not there", "bytes follow")
def lying(folder: Path) -> str:
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(head, {"descr": "<f4", "fortran_order": False, "shape": (10**6, MESH, 3)})
    with zipfile.ZipFile(folder / "t.npz", "w") as file:
        file.writestr("landmarks.npy", head.getvalue() + bytes(100))
    return cheaply(folder / "t.npz")


def cheaply(path: Path) -> str:
    tracemalloc.start()
    said = says(lambda: track_file.load(path))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    keep(peak < 30e6, f"{peak / 1e6:.0f} MB of memory")
    return said


def fill_disk_at(path: Path) -> None:
    """Whoever writes `path` whole meets a full disk: Linux has a device that is one."""
    Path(atomic_write.part(path)).symlink_to("/dev/full")


if Path("/dev/full").exists():

    @TABLE.fault("a full disk while a track is saved", r"could not be written: No space left on device\. Nothing was left there")
    def full_disk(folder: Path) -> str:
        path = folder / "t.npz"
        track_file.save(track_of(), path)
        before = path.read_bytes()
        fill_disk_at(path)
        said = says(lambda: track_file.save(track_of(5), path))
        keep(os.listdir(folder) == ["t.npz"] and path.read_bytes() == before, "the track that was there, or half a file was left")
        return said

    @TABLE.fault("a full disk while a film is pasted into", r"could not be written: No space left on device\. Nothing was left there")
    def full_disk_of_film(folder: Path) -> str:
        path = folder / "v.mp4"
        fill_disk_at(path)
        said = says(lambda: video_file.write(str(path), iter(np.zeros((3, 48, 64, 3), np.uint8)), 25.0))
        keep(not os.listdir(folder), "order: half a file was left")
        return said


@TABLE.fault("a folder that may not be written", "could not be written: Read-only file system")
def read_only(folder: Path) -> None:
    refusal = mock.Mock(side_effect=OSError(errno.EROFS, os.strerror(errno.EROFS)))
    with mock.patch.object(atomic_write, "open", refusal, create=True):
        track_file.save(track_of(), folder / "t.npz")


@TABLE.fault("a kill while a track is saved")
def killed(folder: Path) -> None:
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r}); import run; run.load_pack()\n"
        "from sk_portrait.bench.faults_files import track_of, track_file\n"
        f"track = track_of(3000)\nprint('saving', flush=True)\nwhile True: track_file.save(track, {str(folder / 't.npz')!r})"
    )
    for wait in (0.05, 0.4):
        with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
            process.stdout.readline()
            time.sleep(wait)
            process.send_signal(signal.SIGKILL)
        if (folder / "t.npz").exists():
            keep(len(track_file.load(folder / "t.npz")) == 3000, "rows")


def take(folder: Path, rows: int = 90, extra: str = "", value: str = "0.5") -> Path:
    header = ",".join(["Timecode", "BlendShapeCount", *LIVE_LINK_51])
    lines = [f"10:00:0{k // 30}:{k % 30:02}.0,54," + ",".join([value] * 51) + extra for k in range(rows)]
    (folder / "take.csv").write_text("\n".join([header, *lines]))
    return folder / "take.csv"


def performance(folder: Path, step: float = 1 / 30) -> Path:
    shapes = dict.fromkeys(ARKIT_51, 0.5)
    (folder / "take.json").write_text(json.dumps([{"time": k * step, "blendShapes": shapes} for k in range(30)]))
    return folder / "take.json"


TABLE.fault("a CSV whose rows are longer than its names", "54 values under 53 names")(
    lambda folder: read_live_link(take(folder, extra=",7")) and None
)
TABLE.fault("a CSV with words for numbers", "'high' is not a number")(lambda folder: read_live_link(take(folder, value="high")) and None)
TABLE.fault("a CSV with NaN", "'nan' is not a finite number")(lambda folder: read_live_link(take(folder, value="nan")) and None)
TABLE.fault("JSON times in milliseconds", "look like milliseconds")(lambda folder: read_arkit_json(performance(folder, 33.3)) and None)
TABLE.fault("an offset that makes days of frames", "would make a track of 100,0.. frames|would make a track of")(
    lambda folder: read_arkit_json(performance(folder)).to_track(1000.0, -100_000.0) and None
)
TABLE.fault("a speed and a rate that make days of frames", "would make a track of")(
    lambda folder: retime(track_of(2000, "none"), 0.01, 1000.0) and None
)
TABLE.fault("a factor of 400 digits", "holds a number beyond 1,000,000")(lambda folder: parse("jawOpen*" + "9" * 400) and None)
TABLE.fault("a frame number of 400 digits", "is not an edit")(lambda folder: parse("jawOpen=1 @ " + "9" * 400) and None)


@TABLE.fault("tracks of 1 and 5,000 rows, saved and loaded")
def lengths(folder: Path) -> None:
    for count in (1, 5000):
        track_file.save(track_of(count, "none"), folder / "t.npz")
        keep(len(track_file.load(folder / "t.npz")) == count, "rows")
