"""Errors that end a command."""

from ..errors import SKPortraitError


class FarmError(SKPortraitError, RuntimeError):
    """The clip cannot be finished; the message states the reason."""


class GraphError(FarmError):
    """A node failed; the message contains its name and its own error message."""
