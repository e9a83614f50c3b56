"""Errors that end a command."""

from ..errors import SKPortraitError


class FarmError(SKPortraitError, RuntimeError):
    """The clip cannot be finished; the message says why."""


class GraphError(FarmError):
    """A node failed; the message names it and repeats its own sentence."""
