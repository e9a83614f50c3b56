"""What a person who trains is told in one sentence."""


class TrainError(RuntimeError):
    """Training cannot start or go on; the message says why, with the values."""
