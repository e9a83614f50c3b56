"""Errors of the trainer."""


class TrainError(RuntimeError):
    """Training cannot start or go on; the message says why, with the values."""
