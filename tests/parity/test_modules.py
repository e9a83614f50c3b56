"""Parity of single modules and of the drive encoders."""

from sk_portrait.testing.cases.modules import CASES, OUTPUTS, SLOW_WITHOUT_COMFY

__all__ = ["CASES", "OUTPUTS", "SLOW_WITHOUT_COMFY"]  # the table of conftest.py


def test_modules_and_drive_encoders(row):
    assert row.error <= row.tolerance
