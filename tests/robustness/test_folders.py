"""Links in a circle, crowded folders, names that lead out of ComfyUI's folders."""

from __future__ import annotations

import os
import time
from inspect import signature

import numpy as np
import pytest

from sk_portrait.errors import MissingFileError, SettingError
from sk_portrait.face_tools.atomic_write import FileError
from sk_portrait.testing.pack import nodes
from sk_portrait.testing.raised import raises
from sk_portrait.testing.tracks import track_of

pytestmark = pytest.mark.comfy
BAD_NAMES = (
    "../secret.npz",
    "/etc/passwd",
    "..\\secret.npz",
    "nul\0.npz",
    "a" * 5000,
    "",
    ".",
    "../secret.npz [output]",
)
BAD_PREFIXES = ("../out", "/tmp/out", "nul\0", "a" * 5000, "b/" * 3000)


@pytest.fixture
def inputs(comfy, tmp_path, monkeypatch):
    """ComfyUI's input folder below `tmp_path`, beside its output folder."""
    import folder_paths

    for name in ("input", "output"):
        (tmp_path / name).mkdir()
        monkeypatch.setattr(folder_paths, f"{name}_directory", str(tmp_path / name))
    return tmp_path / "input"


@pytest.fixture
def listed(inputs):
    from sk_portrait.nodes.input_files import listed

    return listed


def test_links_that_form_a_circle(inputs, listed):
    inner = inputs / "a" / "b"
    inner.mkdir(parents=True)
    (inner / "take.csv").touch()
    (inner / "round").symlink_to(inputs, target_is_directory=True)
    (inputs / "again").symlink_to(inputs / "a", target_is_directory=True)
    (inputs / "self").symlink_to(inputs / "self")
    assert listed(".csv", ".json") == ["a/b/take.csv"]


def test_a_linked_folder_elsewhere_and_a_file_that_came_later(inputs, listed, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "take.csv").touch()
    (inputs / "takes").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    assert listed(".csv") == ["takes/take.csv"]
    (tmp_path / "elsewhere" / "more.csv").touch()
    assert listed(".csv") == ["takes/more.csv", "takes/take.csv"]


def test_an_unchanged_folder_is_read_once(inputs, listed, monkeypatch):
    from sk_portrait.nodes import input_files

    for name in ("take.csv", *(f"{k}.png" for k in range(200))):
        (inputs / name).touch()
    hour_ago = time.time() - 3600
    os.utime(inputs, (hour_ago, hour_ago))
    assert listed(".csv") == ["take.csv"]
    with monkeypatch.context() as patch:
        patch.delattr(input_files.os, "scandir")
        assert listed(".csv") == ["take.csv"]
    (inputs / "later.csv").touch()
    assert listed(".csv") == ["later.csv", "take.csv"]


@pytest.mark.slow
def test_a_hundred_thousand_pictures_beside_a_recording_are_not_read_again(inputs, listed, monkeypatch):
    from sk_portrait.nodes import input_files

    for k in range(100_000):
        os.close(os.open(inputs / f"{k}.png", os.O_CREAT))
    (inputs / "take.csv").touch()
    hour_ago = time.time() - 3600
    for folder in (
        inputs,
        inputs.parent / "output",
    ):  # a folder that has just changed is read again every time
        os.utime(folder, (hour_ago, hour_ago))

    def look() -> list[list[str]]:
        return [listed(".csv", ".json"), listed(".npz", output=True)]

    assert look() == [["take.csv"], []]
    monkeypatch.delattr(input_files.os, "scandir")
    assert look() == [["take.csv"], []]


def test_names_of_tracks_and_recordings_that_lead_out(inputs, tmp_path):
    from sk_portrait.nodes.face.recordings import ImportLiveLinkFace, LoadTrack

    np.savez(tmp_path / "secret.npz", a=1)
    for name in BAD_NAMES:
        for node in (LoadTrack, ImportLiveLinkFace):
            assert str(node.validate_inputs(name)).startswith("There is no file"), name
    with raises(MissingFileError, file=BAD_NAMES[0]):
        LoadTrack.execute(BAD_NAMES[0])


def test_names_that_lead_out_in_every_node_that_takes_a_file(comfy, tmp_path):
    secret = tmp_path / "secret.safetensors"
    secret.write_bytes(b"secret")
    takers = {
        name: node for name, node in nodes().items() if "file" in signature(node.validate_inputs).parameters
    }
    assert takers
    for name, node in takers.items():
        for bad in (str(secret), f"../../../../../..{secret}", *BAD_NAMES):
            said = str(node.validate_inputs(**dict.fromkeys(signature(node.validate_inputs).parameters, bad)))
            assert said.startswith("There is no file") or "was not found" in said, (name, bad[:60])


@pytest.mark.parametrize("prefix", BAD_PREFIXES, ids=lambda prefix: repr(prefix[:8]))
def test_prefixes_that_lead_out_of_the_output_folder(inputs, tmp_path, prefix):
    from sk_portrait.nodes.face.recordings import SaveTrack

    with pytest.raises(
        (SettingError, FileError), match="filename_prefix .* cannot be used|could not be written"
    ):
        SaveTrack.execute(track_of(1, "none"), prefix)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
