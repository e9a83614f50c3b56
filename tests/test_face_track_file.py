"""Saved tracks: whole or not there, and nothing is believed of a file before it was looked at."""

import errno
import io
import os
import zipfile

import numpy as np
import pytest

from sk_portrait.face_tools import track_file
from sk_portrait.face_tools.recordings.presets import preset
from sk_portrait.face_tools.track import FaceTrack, TrackError
from sk_portrait.tests.test_face_edit import make


@pytest.fixture
def saved(tmp_path):
    """The fields of a good file, and a function that writes others in their place."""
    track_file.save(make(4), tmp_path / "good.npz")
    fields = dict(np.load(tmp_path / "good.npz"))

    def write(without=(), **changes):
        path = tmp_path / "changed.npz"
        np.savez_compressed(path, **{k: v for k, v in (fields | changes).items() if k not in without})
        return path

    return write


def refused(path) -> str:
    with pytest.raises(TrackError) as error:
        track_file.load(path)
    sentence = str(error.value)
    assert str(path) in sentence and not any(word in sentence for word in ("BadZipFile", "KeyError", "TypeError"))
    return sentence


BAD_FIELDS = {
    "no rate": ({"fps": np.nan}, "frame rate of a face track is above 0, got nan"),
    "rate zero": ({"fps": 0.0}, "above 0, got 0"),
    "no size": ({"size": np.array([0, 512])}, "1 to 65536 pixels a side"),
    "three sizes": ({"size": np.array([1, 2, 3])}, "pixels a side"),
    "other landmarks": ({"landmarks": np.zeros((4, 222, 3), np.float32)}, r"landmarks of a mediapipe478 face track is \(4, 478, 2 or 3\)"),
    "flat rotation": ({"rotation": np.zeros(4, np.float32)}, r"rotation .* is \(4, 3\) float, got \(4,\)"),
    "whole numbers": ({"box": np.zeros((4, 4), np.int64)}, "box .* float, got .* int64"),
    "not finite": ({"translation": np.full((4, 3), np.inf, np.float32)}, "translation of a face track must be finite, and row 0"),
    "rows differ": ({"valid": np.ones(3, bool)}, "one row a frame in every array"),
    "fifty coefficients": ({"coefficients": np.zeros((4, 50), np.float32)}, r"coefficients .* \(4, 51\) float"),
    "a foreign field": ({"extra": np.zeros(3)}, "extra does not belong to one"),
    "a number for a name": ({"source": np.float64(3)}, "is not a word"),
    "a newer version": ({"format_version": 9}, "has track format 9"),
}


@pytest.mark.parametrize("kind", BAD_FIELDS)
def test_every_field_is_checked(saved, kind):
    import re

    changes, sentence = BAD_FIELDS[kind]
    assert re.search(sentence, refused(saved(**changes)))


@pytest.mark.parametrize("name", ["fps", "valid", "landmarks", "source", "format_version"])
def test_a_missing_field_is_named(saved, name):
    assert f"it lacks {name}" in refused(saved(without=[name]))


def test_a_track_without_a_row_is_refused(saved):
    fields = {name: value[:0] for name, value in make(4).arrays().items()}
    assert "without a single row" in refused(saved(**fields))


@pytest.mark.parametrize("content", [b"", b"<html>404</html>", b"PK\x03\x04 and no more", b"\x93NUMPY\x01\x00v\x00{"])
def test_files_that_are_no_track(tmp_path, content):
    path = tmp_path / "other.npz"
    path.write_bytes(content)
    assert "is not a face track saved by this pack, or it is damaged" in refused(path)


def test_a_file_that_was_cut_short_or_changed(tmp_path):
    path = tmp_path / "good.npz"
    track_file.save(make(4), path)
    whole = path.read_bytes()
    for content in (whole[: len(whole) // 2], whole[:2000] + bytes(200) + whole[2200:]):
        path.write_bytes(content)
        assert "damaged" in refused(path)


def bundle(path, **members: bytes):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(f"{name}.npy", content)
    return path


def test_a_small_file_does_not_become_a_large_array(tmp_path):
    import tracemalloc

    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(head, {"descr": "<f4", "fortran_order": False, "shape": (10**6, 478, 3)})
    lying = bundle(tmp_path / "lying.npz", landmarks=head.getvalue() + bytes(100))
    vast = tmp_path / "vast.npz"
    with zipfile.ZipFile(vast, "w", zipfile.ZIP_DEFLATED) as file, file.open("landmarks.npy", "w", force_zip64=True) as member:
        for _ in range(1100):
            member.write(bytes(1 << 20))
    tracemalloc.start()
    assert "and 100 bytes follow" in refused(lying) and "would unpack to 1.2 GB" in refused(vast)
    assert tracemalloc.get_traced_memory()[1] < 30e6
    tracemalloc.stop()


def test_pickles_do_not_run(tmp_path):
    np.savez(tmp_path / "evil.npz", source=np.array([print], dtype=object), allow_pickle=True)
    assert "damaged" in refused(tmp_path / "evil.npz")


class Disk(io.BytesIO):
    """Full after ten bytes."""

    def write(self, data):
        if self.tell() + len(data) > 10:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return super().write(data)


def test_a_full_disk_leaves_nothing_under_the_name(tmp_path, monkeypatch):
    path = tmp_path / "track.npz"
    track_file.save(make(4), path)
    before = path.read_bytes()
    monkeypatch.setattr(track_file, "open", lambda *_: Disk(), raising=False)
    with pytest.raises(TrackError, match=r"track.npz could not be written: No space left on device\. Nothing was left there"):
        track_file.save(make(5), path)
    assert os.listdir(tmp_path) == ["track.npz"] and path.read_bytes() == before


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(TrackError, match="could not be written: No such file or directory"):
        track_file.save(preset("smile"), tmp_path / "absent" / "track.npz")


def test_the_same_rules_hold_for_every_source():
    track = make(3)
    with pytest.raises(TrackError, match="must be finite, and row 1"):
        FaceTrack(**{**vars(track), "rotation": np.float32([[0, 0, 0], [np.nan, 0, 0], [0, 0, 0]])})
    with pytest.raises(TrackError, match="frame rate"):
        track.replace(fps=-1.0)
