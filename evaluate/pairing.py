"""Finds the ground truth, driver and portrait of each result."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ..errors import SKPortraitError

VIDEOS = {".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v", ".gif"}
PICTURES = {".png", ".jpg", ".jpeg", ".webp", ".bmp"}
BETWEEN = "__"  # PORTRAIT__DRIVER.mp4 contains both names of a cross-reenactment


class PairingError(SKPortraitError, ValueError):
    """Folders do not fit together."""


@dataclass(frozen=True)
class Job:
    """One result and the files to compare it with; None if there is none."""

    result: Path
    truth: Path | None = None
    driver: Path | None = None
    portrait: Path | None = None

    @property
    def name(self) -> str:
        return self.result.stem

    @property
    def asked(self) -> Path:
        """The clip with the performance that the result should show."""
        return self.driver or self.truth

    @property
    def clips(self) -> list[Path]:
        return [path for path in (self.result, self.truth, self.driver) if path]

    @property
    def files(self) -> list[Path]:
        return [path for path in (*self.clips, self.portrait) if path]


def jobs(
    results: Path, truth: Path | None, drivers: Path | None, portraits: Path | None
) -> tuple[list[Job], list[str]]:
    """Return all results with a ground truth or a driver, and one note for each without.

    A file belongs to a result of the same name. For `PORTRAIT__DRIVER.mp4`, portrait and driver may have only
    their own part of the name. Raises PairingError if a folder is missing, or if no result is left.
    """
    found, left_out = [], []
    folders = [
        _listed(folder, kinds)
        for folder, kinds in ((truth, VIDEOS), (drivers, VIDEOS), (portraits, PICTURES))
    ]
    for result in _listed(results, VIDEOS).values():
        first, _, second = result.stem.partition(BETWEEN)
        names = ((result.stem,), (result.stem, second), (result.stem, first))
        job = Job(result, *(_first(folder, keys) for folder, keys in zip(folders, names)))
        if job.asked is None:
            left_out.append(f"{result.name}: no truth and no driver has this name.")
        else:
            found.append(job)
    if not found:
        raise PairingError(
            f"No clip in {results} has a truth or a driver of the same name. {' '.join(left_out[:3])}".strip()
        )
    return found, left_out


def _listed(folder: Path | None, kinds: set[str]) -> dict[str, Path]:
    """Return {stem: file} of these kinds, sorted by name. A single file may be given instead of a folder."""
    if folder is None:
        return {}
    if not folder.exists():
        raise PairingError(f"There is no folder {folder}.")
    files: Iterable[Path] = [folder] if folder.is_file() else sorted(folder.iterdir())
    return {path.stem: path for path in files if path.suffix.lower() in kinds}


def _first(files: dict[str, Path], names: Iterable[str]) -> Path | None:
    return next((files[name] for name in names if name in files), None)
