"""The last line of a bench that compares with limits."""


def verdict(passed: int, failed: int) -> int:
    """Print how many comparisons passed and failed. Returns the exit status."""
    print(f"{passed} passed, {failed} failed")
    return int(failed > 0)
