"""The errors that a user can cause or mend. Every package may import this module; it imports nothing of the pack.

Errors of a single package derive from these and stand beside its code.
"""

from __future__ import annotations

from dataclasses import dataclass, field

Size = tuple[int, int]  # (width, height)


@dataclass(eq=False)
class SKPortraitError(Exception):
    """Base of all errors of the pack. `message` is shown to the user; a subclass adds the values in it as fields."""

    message: str

    def __str__(self) -> str:
        return self.message

    # Ray sends errors between machines, and an exception pickles its positional arguments alone.
    def __reduce__(self):
        return _restored, (type(self), dict(vars(self)))


def _restored(kind: type[SKPortraitError], fields: dict) -> SKPortraitError:
    error = kind.__new__(kind)
    vars(error).update(fields)
    return error


@dataclass(eq=False)
class FrameCountError(SKPortraitError, ValueError):
    """Two inputs with one entry per frame differ in length."""

    message: str = field(init=False)
    what: str
    frames: int
    other: str
    expected: int
    remedy: str = "they must be equal."

    def __post_init__(self):
        self.message = f"The {self.what} has {self.frames} frames and the {self.other} has {self.expected}: {self.remedy}"


@dataclass(eq=False)
class EmptyClipError(SKPortraitError, ValueError):
    """A batch without a single picture."""

    message: str = field(init=False)
    what: str
    remedy: str = "the clip is empty."

    def __post_init__(self):
        self.message = f"There is no {self.what}: {self.remedy}"


@dataclass(eq=False)
class SingleInputError(SKPortraitError, ValueError):
    """A batch where one picture, or one prompt, belongs."""

    message: str
    count: int


@dataclass(eq=False)
class NotFiniteError(SKPortraitError, ValueError):
    """NaN or infinity in an input."""

    message: str = field(init=False)
    what: str
    remedy: str = "."

    def __post_init__(self):
        self.message = f"{self.what} holds values that are not finite (NaN or infinity){self.remedy}"


@dataclass(eq=False)
class ShapeError(SKPortraitError, ValueError):
    """A tensor of another kind than the input takes."""

    message: str
    shape: tuple[int, ...]


@dataclass(eq=False)
class SizeError(SKPortraitError, ValueError):
    """A picture of the wrong size, in pixels. expected: None where any size of a range will do."""

    message: str
    size: Size
    expected: Size | None = None


@dataclass(eq=False)
class ModelError(SKPortraitError, ValueError):
    """A MODEL, or a CLIP vision model, of another kind than the node takes. found: its class or width."""

    message: str
    found: str | int


@dataclass(eq=False)
class CombinationError(SKPortraitError, ValueError):
    """Two nodes that exclude each other act on one MODEL. other: the one that was there first."""

    message: str
    other: str


@dataclass(eq=False)
class VersionError(SKPortraitError, ValueError):
    """Parts of different versions are wired together."""

    message: str
    found: tuple[str, ...]
    expected: tuple[str, ...]


@dataclass(eq=False)
class MissingInputError(SKPortraitError, ValueError):
    """An optional input is needed after all."""

    message: str
    inputs: tuple[str, ...]


@dataclass(eq=False)
class ExclusiveInputError(SKPortraitError, ValueError):
    """Inputs of which only one may be wired."""

    message: str
    inputs: tuple[str, ...]


@dataclass(eq=False)
class SettingError(SKPortraitError, ValueError):
    """A value that a setting does not take, alone or beside the other ones."""

    message: str
    setting: str
    value: object


@dataclass(eq=False)
class TextError(SKPortraitError, ValueError):
    """A text input that is not in the form that the node reads. text: the part at fault."""

    message: str
    text: str


@dataclass(eq=False)
class MemoryNeedError(SKPortraitError, ValueError):
    """The machine has too little memory; in bytes."""

    message: str
    needed: float
    free: float


@dataclass(eq=False)
class ModelFileError(SKPortraitError, ValueError):
    """A file does not hold the weights that it should; the message names the tensors that show it."""

    message: str
    file: str = ""


@dataclass(eq=False)
class MissingFileError(SKPortraitError, FileNotFoundError):
    """A file is not where it was expected."""

    message: str
    file: str


@dataclass(eq=False)
class CommandError(SKPortraitError, SystemExit):
    """Ends a command of `run.py`, which prints the message."""

    def __post_init__(self):
        SystemExit.__init__(self, self.message)


@dataclass(eq=False)
class MissingPackageError(SKPortraitError, ImportError):
    """A Python package is missing, too old, or cannot be imported."""

    message: str
    package: str
