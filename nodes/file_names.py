"""Names of the files that nodes write: dates as in ComfyUI's own save nodes, and
numbers, so that no earlier file is overwritten.

ComfyUI's front end replaces dates for its own nodes only.
"""

from __future__ import annotations

import os
import re
from datetime import datetime

import folder_paths

from ..errors import SettingError

DATE = re.compile(r"%date:([^%]+)%")
PART = re.compile(r"yyyy|yy|MM?|dd?|hh?|mm?|ss?")
FIELDS = {"M": "month", "d": "day", "h": "hour", "m": "minute", "s": "second"}


def with_dates(name: str, now: datetime | None = None) -> str:
    """Replace every %date:FORMAT% in `name`: yyyy, yy,
    M, d, h, m and s; a doubled letter gives two digits.
    """
    now = now or datetime.now()
    return DATE.sub(lambda date: PART.sub(lambda part: _value(part[0], now), date[1]), name)


def _value(part: str, now: datetime) -> str:
    if part[0] == "y":
        return f"{now.year:04}"[-len(part) :]
    return str(getattr(now, FIELDS[part[0]])).zfill(len(part))


def numbered(prefix: str, setting: str, ending: str, size: tuple[int, int] = (0, 0)) -> str:
    """Return the path of a new file in the output folder.

    setting: name of the setting that the error is about; size: (width, height), which the prefix may contain.
    Raises SettingError for a prefix that ComfyUI rejects.
    """
    output = folder_paths.get_output_directory()
    try:
        folder, name, number, _, _ = folder_paths.get_save_image_path(with_dates(prefix), output, *size)
    except Exception as error:  # ComfyUI raises a plain Exception for a folder outside the output folder
        reason = getattr(error, "strerror", None) or str(error).partition("\n")[0]
        raise SettingError(
            f"{setting} {prefix[:60]!r} cannot be used in {output}: {reason}", setting, prefix
        ) from None
    return os.path.join(folder, f"{name}_{number:05}_{ending}")
