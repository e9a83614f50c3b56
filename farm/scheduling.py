"""How the work of a step is shared out; the simulation goes by the same rules."""

from __future__ import annotations

from collections.abc import Sequence

PARTS_EACH = 16  # of a step, for each worker: what a slow or lost worker holds up is then small; `bench farm --simulate` says how many
PATIENCE = 600.0  # seconds that an answer may take
SLOW = 3.0  # times the median of what a step's answers took: then an idle worker is asked as well


def shared_out(items: Sequence[int], count: int) -> list[Sequence[int]]:
    """At most `count` parts of neighbours, as equal as can be."""
    count = min(count, len(items))
    bounds = [round(k * len(items) / count) for k in range(count + 1)] if count else [0]
    return [items[a:b] for a, b in zip(bounds, bounds[1:], strict=False)]
