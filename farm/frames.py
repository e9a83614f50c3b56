"""The requested frames of a clip."""

from __future__ import annotations

import re
from argparse import ArgumentTypeError

from ..errors import SettingError

Asked = tuple[int, int | None] | None  # first and last frame (None = the end); None = the whole clip


def asked(text: str) -> Asked:
    """Parse `250`: the first 250 frames; `250:499`: frames 250 to 499,
    counted from 0; `250:`: from frame 250 to the end.
    """
    if match := re.fullmatch(r"([1-9]\d*)", text):
        return 0, int(match[1]) - 1
    if (match := re.fullmatch(r"(\d*):(\d*)", text)) and text != ":":
        first, last = int(match[1] or 0), int(match[2]) if match[2] else None
        if last is None or first <= last:
            return first, last
    raise ArgumentTypeError(
        f"{text!r} is neither a number of frames, as 250, nor a first and a last frame, as 250:499."
    )


def within(wish: Asked, clip: int) -> range:
    """Return the requested frames of a clip. Raises SettingError if the clip ends before the first one."""
    first, last = wish or (0, None)
    if first >= clip:
        raise SettingError(
            f"The clip has frames 0 to {clip - 1}: there is no frame {first}.", "frames", first
        )
    return range(first, clip if last is None else min(last + 1, clip))
