"""Faults of folders: links that lead round, many files, names that lead out."""

from __future__ import annotations

import os
import re
import time
from inspect import signature
from pathlib import Path
from unittest import mock

import numpy as np

from .fault import Table, keep, says
from .faults_files import track_of
from .faults_host import nodes

TABLE = Table(host=True)
PICTURES, SECONDS = 100_000, 0.05


def folders(folder: Path):
    """The host's input and output folder below `folder`."""
    import folder_paths

    for name in ("input", "output"):
        (folder / name).mkdir(exist_ok=True)
    places = {f"{name}_directory": str(folder / name) for name in ("input", "output")}
    return mock.patch.multiple(folder_paths, **places)


@TABLE.fault("two links in the input folder that lead round")
def loops(folder: Path) -> None:
    from ..nodes.input_files import listed

    with folders(folder):
        inner = folder / "input" / "a" / "b"
        inner.mkdir(parents=True)
        (inner / "take.csv").touch()
        (inner / "round").symlink_to(folder / "input", target_is_directory=True)
        (folder / "input" / "again").symlink_to(folder / "input" / "a", target_is_directory=True)
        (folder / "input" / "self").symlink_to(folder / "input" / "self")
        keep(listed(".csv", ".json") == ["a/b/take.csv"], "the list of files")


@TABLE.fault("a folder elsewhere that is linked")
def linked(folder: Path) -> None:
    from ..nodes.input_files import listed

    (folder / "elsewhere").mkdir()
    (folder / "elsewhere" / "take.csv").touch()
    with folders(folder):
        (folder / "input" / "takes").symlink_to(folder / "elsewhere", target_is_directory=True)
        keep(listed(".csv") == ["takes/take.csv"], "files behind the link")
        (folder / "elsewhere" / "more.csv").touch()
        keep(listed(".csv") == ["takes/more.csv", "takes/take.csv"], "a file that came later")


@TABLE.fault("many pictures beside the recordings: they are looked at once")
def looked_at_once(folder: Path) -> None:
    from ..nodes import input_files

    with folders(folder):
        (folder / "input" / "take.csv").touch()
        for k in range(200):
            (folder / "input" / f"{k}.png").touch()
        hour_ago = time.time() - 3600
        os.utime(folder / "input", (hour_ago, hour_ago))
        keep(input_files.listed(".csv") == ["take.csv"], "files")
        with mock.patch.object(input_files.os, "scandir", side_effect=AssertionError):
            keep(input_files.listed(".csv") == ["take.csv"], "files")
        (folder / "input" / "later.csv").touch()
        keep(input_files.listed(".csv") == ["later.csv", "take.csv"], "a file that came later")


@TABLE.fault("100,000 pictures beside the recordings", rf"listed in \d+ ms of processor time, {SECONDS * 1000:.0f} are allowed", long=True)
def crowded(folder: Path) -> str:
    from ..nodes.input_files import listed

    with folders(folder):
        for k in range(PICTURES):
            os.close(os.open(folder / "input" / f"{k}.png", os.O_CREAT))
        (folder / "input" / "take.csv").touch()
        time.sleep(2.1)  # a folder that has just changed is read again every time
        listed(".csv")
        began = time.process_time()
        found = [listed(".csv", ".json"), listed(".npz", output=True)]
        spent = time.process_time() - began
    keep(found == [["take.csv"], []], "files")
    keep(spent < SECONDS, f"{spent * 1000:.0f} ms at every look at the node list")
    return f"listed in {spent * 1000:.0f} ms of processor time, {SECONDS * 1000:.0f} are allowed"


BAD_NAMES = ("../secret.npz", "/etc/passwd", "..\\secret.npz", "nul\0.npz", "a" * 5000, "", ".", "../secret.npz [output]")


@TABLE.fault("names of files that lead out of the folders", "There is no file")
def traversal(folder: Path) -> str:
    from ..nodes.face.recordings import ImportLiveLinkFace, LoadTrack

    np.savez(folder / "secret.npz", a=1)
    with folders(folder):
        for name in BAD_NAMES:
            for node in (LoadTrack, ImportLiveLinkFace):
                keep(str(node.validate_inputs(name)).startswith("There is no file"), f"the file behind {name!r}")
        return says(lambda: LoadTrack.execute(BAD_NAMES[0]))


@TABLE.fault("names that lead out, in every node that takes a file", "There is no file|was not found. Put it into")
def file_names(folder: Path) -> str:
    secret = folder / "secret.safetensors"
    secret.write_bytes(b"secret")
    said = ""
    for name, node in nodes().items():
        files = signature(node.validate_inputs).parameters
        for bad in (str(secret), f"../../../../../..{secret}", *BAD_NAMES) if "file" in files else ():
            said = str(node.validate_inputs(**dict.fromkeys(files, bad)))
            keep(re.search("^There is no file|was not found", said), f"the file behind {bad[:60]!r} in {name}: {said}")
    return said


@TABLE.fault("prefixes that lead out of the output folder", "filename_prefix .* cannot be used|could not be written")
def prefixes(folder: Path) -> str:
    from ..nodes.face.recordings import SaveTrack

    said = ""
    with folders(folder):
        for prefix in ("../out", "/tmp/out", "nul\0", "a" * 5000, "b/" * 3000):
            said = says(lambda prefix=prefix: SaveTrack.execute(track_of(1, "none"), prefix))
        found = [path for path in folder.rglob("*") if path.is_file()]
        keep(not found, f"order: {found}")
    return said
