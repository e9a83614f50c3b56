"""Reads the loss of a run from its TensorBoard log."""

from __future__ import annotations

from pathlib import Path

import numpy as np

POINTS = 100


def curve(log: Path, points: int = POINTS) -> list[tuple[int, float]]:
    """Return at most `points` pairs (step, mean loss since the previous point).

    Steps that were run twice count once.
    """
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(log), size_guidance={"scalars": 0}).Reload()
    seen = {event.step: event.value for event in events.Scalars("loss")}
    steps = np.array(sorted(seen))
    parts = np.array_split(steps, min(points, len(steps)))
    return [(int(part[-1]), round(float(np.mean([seen[step] for step in part])), 5)) for part in parts]
