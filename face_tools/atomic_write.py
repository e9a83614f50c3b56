"""Files that are written whole or not at all: a full disk or a kill leaves no half one under the final name."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import BinaryIO

from ..errors import SKPortraitError


@dataclass(eq=False)
class FileError(SKPortraitError, ValueError):
    """A file that could not be written."""

    path: str


@contextmanager
def whole(path: str | os.PathLike) -> Iterator[str]:
    """The path of a file beside `path`, to be written; it takes its name at the end, or is deleted where that fails. Raises FileError."""
    beside = part(path)
    try:
        yield beside
        os.replace(beside, path)
    except OSError as error:
        raise _error(path, error) from None
    finally:
        with suppress(OSError, ValueError):
            os.unlink(beside)


@contextmanager
def written(path: str | os.PathLike) -> Iterator[BinaryIO]:
    """The same, opened for bytes, and on the disk before it takes its name. Raises FileError."""
    with whole(path) as beside:
        try:
            file = open(beside, "wb")
        except ValueError as error:  # a zero byte in the name
            raise _error(path, error) from None
        with file:
            yield file
            file.flush()
            os.fsync(file.fileno())


def part(path: str | os.PathLike) -> str:
    """What a file is called until it is whole: a process has a name of its own."""
    return f"{path}.{os.getpid()}.part"


def _error(path: str | os.PathLike, error: Exception) -> FileError:
    return FileError(
        f"{path} could not be written: {getattr(error, 'strerror', None) or error}. Nothing was left there.",
        str(path),
    )
