"""A number that changes over the frames of a clip, or over the steps of its sampling."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ...errors import TextError
from .frames import Rows

PLACES = 3  # decimals of a percent, so that a step lies exactly at the key written for it
SPELLINGS = str.maketrans({"、": ",", "−": "-", **dict.fromkeys("\"'“”‘’()")})


@dataclass(frozen=True)
class Curve:
    """A piecewise-linear function: `values` at the keys `places`, constant beyond the first and last key.

    places: frame numbers or percents; None = `values` is a list with one value per frame (or step).
    """

    values: tuple[float, ...]
    places: tuple[float, ...] | None = None

    @classmethod
    def constant(cls, value: float) -> Curve:
        return cls((value,), (0,))

    @classmethod
    def parse(cls, text: str, what: str = "FRAME: LAMBDA") -> Curve:
        """Parse keys written as text, `0: -0.7, 24: 0, 48: 0.7`. what: format named in the error.

        Raises TextError that quotes the part it cannot read.
        """
        found = pairs(text, r"\d{1,9}", f"no key frame; write {what}, such as 0: -0.7, 24: 0, 48: 0.7.")
        places = sorted(found, key=int)
        return cls(tuple(found[place] for place in places), tuple(map(int, places)))

    def times(self, factor: float) -> Curve:
        return Curve(tuple(value * factor for value in self.values), self.places)

    def at(self, *places: float) -> tuple[float, ...]:
        """Return the values at these places. The places of a list run from 0 to 100 percent of its length."""
        return tuple(np.interp(places, self._keys, self.values).tolist())

    def of(self, rows: Rows, what: str) -> tuple[float, ...]:
        """Return the value of each batch item.

        Raises FrameCountError, with `what` as its name, for a list that is not as long as the clip.
        """
        if self.places is not None:
            return self.at(*rows.frames)
        rows.require_clip(len(self.values), what)
        return tuple(self.values[frame] for frame in rows.frames)

    @cached_property
    def _keys(self) -> tuple[float, ...]:
        return self.places or tuple(percent(k, len(self.values)) for k in range(len(self.values)))


def pairs(text: str, key: str, wanted: str) -> dict[str, float]:
    """Parse text such as `24: 0, 48: 0.7` into {key: number}.

    key: regular expression of the keys; wanted: ends the error message.

    Full-width characters of a Chinese keyboard count as ASCII. `"24": 0` and `24:(0)`, as in other packs'
    schedules, are read as 24: 0. Raises TextError that quotes the part it cannot read.
    """
    found = {}
    plain = unicodedata.normalize("NFKC", text).translate(SPELLINGS)
    for part in filter(None, (part.strip() for part in re.split(r"[,;\n]", plain))):
        if not (match := re.fullmatch(rf"({key})\s*:\s*([+-]?(?:\d{{1,9}}\.?\d*|\.\d+))", part)):
            raise TextError(f"{part[:60]!r} is {wanted}", part)
        found[match[1]] = float(match[2])
    return found


def percent(place: float, count: int) -> float:
    """Position of item `place` (from 0) among `count` items, in percent: 0 = the first, 100 = the last.

    0 if count is 1.
    """
    return round(100 * place / max(count - 1, 1), PLACES)
