"""Files out of packages: fetched once, checked by their hash, and a failure that names the package."""

import hashlib
import zipfile

import pytest

from sk_portrait.material import packed_files
from sk_portrait.material.packed_files import NotFetched, PackedFile


@pytest.fixture
def registry(tmp_path, monkeypatch):
    """A registry with one wheel; counts the calls of pip."""
    calls = []

    def pip(command):
        calls.append(command[-1])
        if command[-1] != "real==1.0":
            return 1
        folder = command[command.index("--dest") + 1]
        with zipfile.ZipFile(f"{folder}/real-1.0-py3-none-any.whl", "w") as wheel:
            wheel.writestr("real/file.txt", b"content")
        return 0

    monkeypatch.setattr(packed_files, "FOLDER", tmp_path / "cache")
    monkeypatch.setattr(packed_files, "_unreachable", set())
    monkeypatch.setattr(packed_files.subprocess, "call", pip)
    return calls


def packed(package="real==1.0", content=b"content") -> PackedFile:
    return PackedFile(package, "real/file.txt", hashlib.sha256(content).hexdigest())


def test_a_file_is_fetched_once(registry):
    for _ in range(2):
        assert packed().fetch().read_bytes() == b"content"
    assert registry == ["real==1.0"]


def test_a_damaged_file_is_unpacked_again(registry):
    packed().fetch().write_bytes(b"half")
    assert packed().fetch().read_bytes() == b"content"


def test_another_content_than_the_pinned_one_is_an_error(registry):
    with pytest.raises(NotFetched, match="real/file.txt of real==1.0 has SHA-256"):
        packed(content=b"other").fetch()


def test_a_package_out_of_reach_is_tried_once(registry):
    for _ in range(2):
        with pytest.raises(NotFetched, match="pip could not fetch absent==2.0"):
            packed("absent==2.0").fetch()
    assert registry == ["absent==2.0"]
