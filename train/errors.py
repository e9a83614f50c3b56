"""Errors of the trainer."""

from dataclasses import dataclass
from pathlib import Path

from ..errors import SKPortraitError


@dataclass(eq=False)
class TrainError(SKPortraitError, RuntimeError):
    """Training cannot start or continue."""


@dataclass(eq=False)
class TrainDataError(TrainError):
    """A folder lacks the clips, the data or the toy model that training needs."""

    folder: Path


@dataclass(eq=False)
class OtherRunError(TrainError):
    """A checkpoint belongs to another run. setting: the first setting that differs."""

    setting: str
    found: object
    expected: object
