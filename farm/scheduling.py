"""Rules for dividing the work of a step; the simulation uses the same rules."""

from __future__ import annotations

from collections.abc import Sequence

# Of a step, per worker: little work is delayed if a worker is slow or lost;
# `bench farm --simulate` measures the best number.
PARTS_EACH = 16
PATIENCE = 600.0  # seconds that an answer may take
SLOW = 3.0  # times the median duration of a step's answers, after which an idle worker gets the same request


def shared_out(items: Sequence[int], count: int) -> list[Sequence[int]]:
    """Divide items into at most `count` runs of neighbours, as equal in length as possible."""
    count = min(count, len(items))
    bounds = [round(k * len(items) / count) for k in range(count + 1)] if count else [0]
    return [items[a:b] for a, b in zip(bounds, bounds[1:], strict=False)]
