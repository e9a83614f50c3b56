"""Saves tracks as .npz files, completely or not at all, and checks files before loading them."""

from __future__ import annotations

import io
import os
import zipfile
import zlib
from typing import Any

import numpy as np
from numpy.lib import format as npy

from .atomic_write import written
from .track import ROWS, FaceTrack
from .track_errors import Damaged, TrackError, TrackFileError, TrackSettingError

FORMAT_VERSION = 2  # 2: squares of the crop, zero of the pitch
# Largest size of a track's arrays, bytes: two hours of 478 landmarks at 25 frames per second.
LARGEST = 1 << 30
OPTIONAL = {"coefficients", "notes", "crop", "whole", "pitch_zero"}
REQUIRED = {"format_version", "source", "scheme", "fps", "size", "valid", *ROWS} - OPTIONAL
WORDS = ("source", "scheme", "fps", "size", "notes", "whole", "pitch_zero")


UNREADABLE = (
    Damaged,
    OSError,
    ValueError,
    EOFError,
    NotImplementedError,
    RuntimeError,
    zipfile.BadZipFile,
    zlib.error,
)


def save(track: FaceTrack, path: str | os.PathLike) -> None:
    """Write a track to one compressed .npz file.

    Raises TrackError if it is too long, FileError if the file cannot be written.
    """
    size = sum(value.nbytes for value in track.arrays().values())
    if size > LARGEST:
        raise TrackSettingError(
            f"The track has {len(track)} rows, {size / 1e9:.1f} GB; a file holds {LARGEST / 1e9:.1f} GB: save it in parts.",
            "frames",
            len(track),
        )
    words = {name: getattr(track, name) for name in WORDS if getattr(track, name) is not None}
    packed = io.BytesIO()
    np.savez_compressed(packed, format_version=FORMAT_VERSION, **words, **track.arrays())
    with written(path) as file:
        file.write(packed.getbuffer())


def load(path: str | os.PathLike) -> FaceTrack:
    """Read a track written by `save`. Raises TrackError for any other file, and for a newer format."""
    try:
        with zipfile.ZipFile(path) as bundle:
            size = sum(member.file_size for member in bundle.infolist())
            if size > LARGEST:
                raise TrackFileError(
                    f"{path} would unpack to {size / 1e9:.1f} GB; a face track holds {LARGEST / 1e9:.1f} GB at most.",
                    str(path),
                )
            data = {
                member.filename.removesuffix(".npy"): _array(bundle.read(member))
                for member in bundle.infolist()
            }
        version = int(data["format_version"]) if "format_version" in data else None
    except UNREADABLE as error:
        if isinstance(error, TrackError):
            raise
        raise TrackFileError(
            f"{path} is not a face track saved by this pack, or it is damaged ({error}).", str(path)
        ) from None
    if version is not None and version > FORMAT_VERSION:
        raise TrackFileError(
            f"{path} has track format {version}; this pack reads up to {FORMAT_VERSION}, so update the pack.",
            str(path),
        )
    if missing := REQUIRED - data.keys():
        raise TrackFileError(
            f"{path} is not a face track saved by this pack: it lacks {', '.join(sorted(missing))}.",
            str(path),
        )
    if foreign := data.keys() - REQUIRED - OPTIONAL:
        raise TrackFileError(
            f"{path} is not a face track saved by this pack: {', '.join(sorted(foreign))} does not belong to one.",
            str(path),
        )
    try:
        return _track(data)
    except (Damaged, ValueError, TypeError, OverflowError) as error:
        raise TrackFileError(f"{path} holds no usable face track: {error}", str(path)) from None


def _sides(values: np.ndarray) -> Any:
    """Return (width, height); the track checks that there are two values."""
    return tuple(int(side) for side in values)


def _track(data: dict[str, Any]) -> FaceTrack:
    return FaceTrack(
        source=_word(data["source"]),
        scheme=_word(data["scheme"]),
        fps=float(data["fps"]),
        size=_sides(data["size"]),
        valid=data["valid"],
        notes=tuple(map(_word, data.get("notes", ()))),
        pitch_zero=float(data.get("pitch_zero", 0.0)),
        whole=_sides(data["whole"]) if "whole" in data else None,
        **{name: data[name] for name in ROWS if name in data},
    )


def _word(value: np.ndarray) -> str:
    if np.asarray(value).dtype.kind != "U":
        raise Damaged(f"{value!r} is not a word.")
    return str(value)


def _array(content: bytes) -> np.ndarray:
    """Return the array of a .npy file.

    The size in its header is compared with its content before the array is created.
    """
    file = io.BytesIO(content)
    version = npy.read_magic(file)
    header = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}.get(version)
    if header is None:
        raise Damaged(f"array format {version} is unknown")
    shape, columns_first, kind = header(file)
    if kind.hasobject:
        raise Damaged("it holds Python objects, which are not loaded")
    count, rest = int(np.prod(shape, dtype=object)), len(content) - file.tell()
    if columns_first and len(shape) > 1 or count * kind.itemsize != rest:
        raise Damaged(f"an array of shape {shape} {kind} is announced and {rest} bytes follow")
    return (
        np.frombuffer(content, kind, count, file.tell()).reshape(shape).copy()
        if rest
        else np.zeros(shape, kind)
    )
