"""Malformed track and recording files, full disks, interrupted writes."""

from __future__ import annotations

import errno
import io
import os
import signal
import subprocess
import sys
import time
import tracemalloc
import zipfile
from pathlib import Path
from unittest import mock

import numpy as np
import pytest

from sk_portrait.face_tools import atomic_write, track_file, video_file
from sk_portrait.face_tools.atomic_write import FileError
from sk_portrait.face_tools.editing.adjust import parse
from sk_portrait.face_tools.editing.timeline import retime
from sk_portrait.face_tools.recordings.arkit_json import read_arkit_json
from sk_portrait.face_tools.recordings.livelink import read_live_link
from sk_portrait.face_tools.track import POINTS
from sk_portrait.face_tools.track_errors import TrackError, TrackFileError
from sk_portrait.host.environment import ROOT
from sk_portrait.testing.raised import raises
from sk_portrait.testing.tracks import performance, take, track_of

NAN, ROWS = np.float32(np.nan), np.ones((4, 3), np.float32)
FIELDS = {
    "a rate that is no number": ({"fps": np.nan}, "frame rate of a face track is above 0, got nan"),
    "rate 0": ({"fps": 0.0}, "above 0, got 0"),
    "frames without a size": ({"size": np.array([0, 512])}, "1 to 65536 pixels a side"),
    "frames with three sides": ({"size": np.array([1, 2, 3])}, "pixels a side"),
    "landmarks of another scheme": (
        {"landmarks": np.ones((4, 222, 3), np.float32)},
        r"is \(4, 478, 2 or 3\) float",
    ),
    "a flat rotation": ({"rotation": np.ones(4, np.float32)}, r"rotation .* is \(4, 3\) float, got \(4,\)"),
    "whole numbers": ({"box": np.ones((4, 4), np.int64)}, "box .* float, got .* int64"),
    "NaN": ({"translation": ROWS * NAN}, "translation of a face track must be finite, and row 0"),
    "arrays of different lengths": ({"valid": np.ones(3, bool)}, "one row per frame in every array"),
    "fifty coefficients": (
        {"coefficients": np.ones((4, 50), np.float32)},
        r"coefficients .* \(4, 51\) float",
    ),
    "a foreign field": ({"extra": np.ones(3)}, "extra does not belong to one"),
    "a number for a name": ({"source": np.float64(3)}, "is not a word"),
    "a newer format": ({"format_version": 9}, "has track format 9"),
    "no rate": ({"fps": None}, "it lacks fps"),
    "no landmarks": ({"landmarks": None}, "it lacks landmarks"),
    "no frame": (
        {name: value[:0] for name, value in track_of().arrays().items()},
        "at least one row, and this one has none",
    ),
    "a pickle": ({"notes": np.array([len], dtype=object)}, "damaged"),
}
OTHERS = {
    "0 bytes": b"",
    "a web page": b"<html>404</html>",
    "half a zip": b"PK\x03\x04 and no more",
    "a bare array": b"\x93NUMPY\x01\x00v\x00{",
}
SAVING = """
import sys; sys.path.insert(0, {root!r}); import run; run.load_pack()
from sk_portrait.face_tools import track_file
from sk_portrait.testing.tracks import track_of
track = track_of(3000)
print("saving", flush=True)
while True: track_file.save(track, {path!r})
"""
needs_full_disk = pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "t.npz"


@pytest.mark.parametrize("fields, words", FIELDS.values(), ids=FIELDS)
def test_a_saved_track_with(path, fields, words):
    """None leaves a field out."""
    track_file.save(track_of(), path)
    changed = dict(np.load(path)) | fields
    np.savez_compressed(path, **{name: value for name, value in changed.items() if value is not None})
    with pytest.raises(TrackError, match=words):
        track_file.load(path)


@pytest.mark.parametrize("content", OTHERS.values(), ids=OTHERS)
def test_another_file_called_npz(path, content):
    path.write_bytes(content)
    with raises(TrackFileError, file=str(path)):
        track_file.load(path)


def test_a_saved_track_that_was_cut_or_overwritten(path):
    track_file.save(track_of(), path)
    whole = path.read_bytes()
    for content in (whole[: len(whole) // 2], whole[:2000] + bytes(200) + whole[2200:]):
        path.write_bytes(content)
        with raises(TrackFileError, file=str(path)):
            track_file.load(path)


def bomb(path: Path) -> None:
    """1 MB that unpacks to more than a gigabyte."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file:
        with file.open("landmarks.npy", "w", force_zip64=True) as member:
            for _ in range(110):
                member.write(bytes(10 << 20))


def lying(path: Path) -> None:
    """A header that announces a gigabyte which is not there."""
    head, shape = io.BytesIO(), (10**6, POINTS["mediapipe478"], 3)
    np.lib.format.write_array_header_1_0(head, {"descr": "<f4", "fortran_order": False, "shape": shape})
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("landmarks.npy", head.getvalue() + bytes(100))


@pytest.mark.parametrize(
    "write, words", [(bomb, r"would unpack to 1\.2 GB; a face track holds"), (lying, "bytes follow")]
)
def test_a_file_larger_than_it_looks_takes_no_memory(path, write, words):
    write(path)
    tracemalloc.start()
    with pytest.raises(TrackError, match=words):
        track_file.load(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 30e6


def fill_disk_at(path: Path) -> None:
    """Whoever writes `path` meets a full disk: Linux has a device that is one."""
    Path(atomic_write.part(path)).symlink_to("/dev/full")


@needs_full_disk
def test_a_full_disk_leaves_the_saved_track_as_it_was(path):
    track_file.save(track_of(), path)
    before = path.read_bytes()
    fill_disk_at(path)
    with pytest.raises(
        FileError, match=r"could not be written: No space left on device\. Nothing was left there"
    ):
        track_file.save(track_of(5), path)
    assert os.listdir(path.parent) == [path.name] and path.read_bytes() == before


@needs_full_disk
def test_a_full_disk_leaves_no_half_of_a_video(tmp_path):
    fill_disk_at(tmp_path / "v.mp4")
    with pytest.raises(
        FileError, match=r"could not be written: No space left on device\. Nothing was left there"
    ):
        video_file.write(str(tmp_path / "v.mp4"), iter(np.zeros((3, 48, 64, 3), np.uint8)), 25.0)
    assert not os.listdir(tmp_path)


def test_a_read_only_folder(path):
    refusal = mock.Mock(side_effect=OSError(errno.EROFS, os.strerror(errno.EROFS)))
    with mock.patch.object(atomic_write, "open", refusal, create=True):
        with pytest.raises(FileError, match="could not be written: Read-only file system"):
            track_file.save(track_of(), path)


@pytest.mark.parametrize("wait", [0.05, 0.4])
def test_a_kill_while_a_track_is_saved(path, wait):
    command = [sys.executable, "-c", SAVING.format(root=str(ROOT), path=str(path))]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        time.sleep(wait)
        process.send_signal(signal.SIGKILL)
    assert not path.exists() or len(track_file.load(path)) == 3000


IMPOSSIBLE = {
    "long CSV rows": (lambda folder: read_live_link(take(folder, extra=",7")), "54 values under 53 names"),
    "words in a CSV": (lambda folder: read_live_link(take(folder, value="high")), "'high' is not a number"),
    "NaN in a CSV": (lambda folder: read_live_link(take(folder, value="nan")), "'nan' is not a finite number"),
    "JSON in milliseconds": (lambda folder: read_arkit_json(performance(folder, 33.3)), "look like milliseconds"),
    "offset of days": (
        lambda folder: read_arkit_json(performance(folder)).to_track(1000.0, -100_000.0),
        "would make a track of",
    ),
    "days of frames": (lambda folder: retime(track_of(2000, "none"), 0.01, 1000.0), "would make a track of"),
    "factor of 400 digits": (lambda folder: parse("jawOpen*" + "9" * 400), "holds a number beyond 1,000,000"),
    "frame of 400 digits": (lambda folder: parse("jawOpen=1 @ " + "9" * 400), "is not an edit"),
}  # fmt: skip


@pytest.mark.parametrize("act, words", IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_recordings_and_edits_that_cannot_be(tmp_path, act, words):
    with pytest.raises(TrackError, match=words):
        act(tmp_path)


@pytest.mark.parametrize("count", [1, 5000])
def test_short_and_long_tracks_are_saved_and_loaded(path, count):
    track_file.save(track_of(count, "none"), path)
    assert len(track_file.load(path)) == count
