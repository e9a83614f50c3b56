"""Parity of whole sampled clips with the official samplers."""

from sk_portrait.testing.cases.clips import CASES, COMFY_ONLY, OUTPUTS

__all__ = ["CASES", "COMFY_ONLY", "OUTPUTS"]  # the table of conftest.py


def test_sampled_clips(row):
    assert row.error <= row.tolerance
