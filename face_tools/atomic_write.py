"""Writes files completely or not at all: a full disk or a killed
process leaves no partial file under the final name.
"""

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
    """Context manager: return the path of a temporary file beside `path`.

    On success it is renamed to `path`, on failure deleted. Raises FileError.
    """
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
    """Context manager: as `whole`, but return the temporary file opened for writing bytes; it is flushed to
    disk before it is renamed.

    Raises FileError.
    """
    with whole(path) as beside:
        try:
            file = open(beside, "wb")
        except ValueError as error:  # a null byte in the name
            raise _error(path, error) from None
        with file:
            yield file
            file.flush()
            os.fsync(file.fileno())


def part(path: str | os.PathLike) -> str:
    """Return the name of the temporary file for `path`; every process uses a different one."""
    return f"{path}.{os.getpid()}.part"


def _error(path: str | os.PathLike, error: Exception) -> FileError:
    return FileError(
        f"{path} could not be written: {getattr(error, 'strerror', None) or error}. Nothing was left there.",
        str(path),
    )
