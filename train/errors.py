"""Errors of the trainer."""

from dataclasses import dataclass
from pathlib import Path

from ..errors import SKPortraitError


@dataclass(eq=False)
class TrainError(SKPortraitError, RuntimeError):
    """Training cannot start or go on."""


@dataclass(eq=False)
class TrainDataError(TrainError):
    """A folder without the clips, the data or the world that training needs."""

    folder: Path


@dataclass(eq=False)
class OtherRunError(TrainError):
    """A checkpoint of another run, told by one of its settings."""

    setting: str
    found: object
    expected: object
