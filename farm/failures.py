"""Errors that end a command."""


class FarmError(RuntimeError):
    """The clip cannot be finished; the message says why."""


class GraphError(FarmError):
    """A node failed; the message names it and repeats its own sentence."""
