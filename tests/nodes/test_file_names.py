"""File names with dates are those that ComfyUI's own save nodes write."""

from datetime import datetime

import pytest

NOW = datetime(2026, 3, 5, 14, 7, 9)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("take", "take"),
        ("%date:yyyy-MM-dd%/take", "2026-03-05/take"),
        ("take_%date:yyMMdd_hhmmss%", "take_260305_140709"),
        ("%date:d.M.yyyy h.m.s%", "5.3.2026 14.7.9"),
        ("%date:yyyy%-%date:ss%", "2026-09"),
        ("%year%_%width%", "%year%_%width%"),  # ComfyUI's server fills these in
    ],
)
def test_dates_are_filled_in(comfy, name, expected):
    from sk_portrait.nodes.file_names import with_dates

    assert with_dates(name, NOW) == expected
