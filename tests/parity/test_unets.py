"""Parity of whole patched UNets."""

from sk_portrait.testing.cases.unets import CASES, OUTPUTS

__all__ = ["CASES", "OUTPUTS"]  # the table of conftest.py


def test_patched_unets(row):
    assert row.error <= row.tolerance
