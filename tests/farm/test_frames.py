"""Which frames a command is asked for."""

from argparse import ArgumentTypeError

import pytest

from sk_portrait.errors import SettingError
from sk_portrait.farm.frames import asked, within
from sk_portrait.testing.raised import raises


@pytest.mark.parametrize(
    ("text", "frames"),
    [
        ("250", range(250)),
        ("250:499", range(250, 500)),
        (":9", range(10)),
        ("990:", range(990, 1000)),
        ("5000", range(1000)),
        ("7:7", [7]),
    ],
)
def test_frames_of_a_clip_of_a_thousand(text, frames):
    assert list(within(asked(text), 1000)) == list(frames)


@pytest.mark.parametrize("text", ["0", "9:8", ":", "x", "-1", "1:2:3", ""])
def test_what_is_no_stretch_is_said(text):
    with pytest.raises(ArgumentTypeError, match="neither a number of frames"):
        asked(text)


def test_frames_that_the_clip_has_not_are_said():
    with raises(SettingError, setting="frames", value=100):
        within(asked("100:"), 100)
