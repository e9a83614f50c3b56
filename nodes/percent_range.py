"""Inputs for the part of the sampling in which a patch acts."""

from comfy_api.latest import io

from .schema import RARE

PERCENT_RANGE = [
    io.Float.Input(
        "start_percent",
        default=0.0,
        min=0.0,
        max=1.0,
        step=0.001,
        tooltip="Part of the sampling at which the node begins to act: 0 = from the start (pure noise).",
        **RARE,
    ),
    io.Float.Input(
        "end_percent",
        default=1.0,
        min=0.0,
        max=1.0,
        step=0.001,
        tooltip="Part of the sampling at which the node stops acting: 1 = until the end.",
        **RARE,
    ),
]


def range_of(start: float, end: float) -> tuple[float, float] | None:
    """Return (start, end) for a patch; None = the whole sampling."""
    return None if (start, end) == (0.0, 1.0) else (start, end)
