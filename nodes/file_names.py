"""Dates in file names, as in ComfyUI's own save nodes.

ComfyUI's front end fills them in for its own nodes only.
"""

from __future__ import annotations

import re
from datetime import datetime

DATE = re.compile(r"%date:([^%]+)%")
PART = re.compile(r"yyyy|yy|MM?|dd?|hh?|mm?|ss?")
FIELDS = {"M": "month", "d": "day", "h": "hour", "m": "minute", "s": "second"}


def with_dates(name: str, now: datetime | None = None) -> str:
    """Replace every %date:FORMAT% in `name`: yyyy, yy, M, d, h, m and s; a doubled letter gives two digits."""
    now = now or datetime.now()
    return DATE.sub(lambda date: PART.sub(lambda part: _value(part[0], now), date[1]), name)


def _value(part: str, now: datetime) -> str:
    if part[0] == "y":
        return f"{now.year:04}"[-len(part) :]
    return str(getattr(now, FIELDS[part[0]])).zfill(len(part))
