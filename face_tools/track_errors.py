"""The errors of tracks and trackers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ..errors import FrameCountError, SettingError, SizeError, SKPortraitError, TextError


@dataclass(eq=False)
class TrackError(SKPortraitError, ValueError):
    """A track, or the clip to track, cannot be used."""


@dataclass(eq=False)
class NoFaceError(TrackError):
    """There is no face, or none that is large enough.

    frame: the first frame without it; None if no frame has one.
    """

    frame: int | None = None


@dataclass(eq=False)
class CutError(TrackError):
    """The clip shows another person from `frame` on."""

    frame: int


@dataclass(eq=False)
class NoCoefficientsError(TrackError):
    """A track has no expression coefficients. source: the tracker or recording that it came from."""

    source: str


@dataclass(eq=False)
class SchemeError(TrackError):
    """A track has landmarks of another scheme, or none ("none")."""

    scheme: str


@dataclass(eq=False)
class TrackFileError(TrackError):
    """A file is not the track, recording or table that it should be."""

    file: str


class Damaged(Exception):
    """Describes the damage inside a file; its reader raises TrackFileError, which also names the file."""


@dataclass(eq=False)
class UnusableTrackerError(TrackError):
    """A tracker cannot run here, or its model file is another model.

    tracker: its name, or the path of the file.
    """

    tracker: str


@dataclass(eq=False)
class TrackLengthError(TrackError, FrameCountError):
    """A track and its frames differ in number."""

    message: str = field(init=False)


@dataclass(eq=False)
class FrameSizeError(TrackError, SizeError):
    """Frames have another size than those that were tracked."""


@dataclass(eq=False)
class TrackSettingError(TrackError, SettingError):
    """A setting is outside the range that the track, or the face, allows."""


@dataclass(eq=False)
class TrackTextError(TrackError, TextError):
    """An edit or a key pose cannot be parsed."""


@dataclass(eq=False)
class ChoiceError(TrackError):
    """A value is none of the choices."""

    message: str = field(init=False)
    what: str
    value: str
    choices: Sequence[str]

    def __post_init__(self):
        self.message = f"There is no {self.what} {self.value!r}; there are {', '.join(self.choices)}."
