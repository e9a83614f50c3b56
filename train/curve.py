"""The loss of a run, from its TensorBoard log."""

from __future__ import annotations

from pathlib import Path

import numpy as np

POINTS = 100


def curve(log: Path, points: int = POINTS) -> list[tuple[int, float]]:
    """(step, mean loss of the steps since the last point), at most `points` of them; what was run twice counts once."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(log), size_guidance={"scalars": 0}).Reload()
    seen = {event.step: event.value for event in events.Scalars("loss")}
    steps = np.array(sorted(seen))
    parts = np.array_split(steps, min(points, len(steps)))
    return [(int(part[-1]), round(float(np.mean([seen[step] for step in part])), 5)) for part in parts]
