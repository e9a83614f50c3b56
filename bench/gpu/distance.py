"""Compares a clip with 12.8 ms per frame: LivePortrait's two main networks on an
RTX 4090, compiled (its assets/docs/speed.md).
"""

from __future__ import annotations

from typing import Any

from .clips import TABLE as CLIPS
from .frames import ENCODE, VAE_DECODE
from .frames import TABLE as FRAMES
from .measure import cuda
from .results import NEEDS_CUDA, Section

TARGET = 12.8  # ms per frame


def run(bench, section: Section) -> None:
    """Add up sampling, drive encoder and VAE decoding for every measured clip."""
    clips, works = _rows(section, "clip", CLIPS), _rows(section, "frames", FRAMES)
    costs = {row["work"]: row["ms"] for row in works}
    for clip in clips:
        version = clip["clip"].partition(",")[0]
        parts = {
            "sampling": clip["whole"],
            "drive encoder": next(
                (ms for work, ms in costs.items() if work.startswith(f"{ENCODE}, {version}")), 0.0
            ),
            "VAE decode": costs.get(VAE_DECODE, 0.0),
        }
        whole = sum(parts.values())
        times = whole / TARGET if cuda() else NEEDS_CUDA
        section.row(
            "Milliseconds per frame", clip=clip["clip"], **parts, whole=whole, **{f"times {TARGET} ms": times}
        )
        section.bars(f"Milliseconds per frame, against {TARGET}", "ms", clip["clip"], parts)
    if clips:
        section.bars(
            f"Milliseconds per frame, against {TARGET}",
            "ms",
            "LivePortrait, two networks",
            {"target": TARGET},
        )
    if not clips or not works:
        section.note("This adds up the sections clip and frames, which were not both measured.")


def _rows(section: Section, name: str, table: str) -> list[dict[str, Any]]:
    return section.results.data["sections"].get(name, {}).get("tables", {}).get(table, [])
