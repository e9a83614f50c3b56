"""The rows of a bench that compares with limits, and its last line."""

from __future__ import annotations

from collections.abc import Collection


def row(held: bool, text: str) -> bool:
    """Print a row that passes or fails, and return `held`."""
    print(f"{'pass' if held else 'FAIL'} {text}", flush=True)
    return held


def verdict(rows: Collection[bool]) -> int:
    """Print how many rows passed and failed. Returns the exit status."""
    failed = sum(not held for held in rows)
    print(f"{len(rows) - failed} passed, {failed} failed")
    return int(failed > 0)
