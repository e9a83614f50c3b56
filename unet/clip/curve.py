"""A number that changes over the frames of a clip, or over the steps of its sampling."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ...errors import TextError
from .frames import Rows

PLACES = 3  # decimals of a percent: a step then lies exactly at the key that means it
SPELLINGS = str.maketrans({"、": ",", "−": "-", **dict.fromkeys("\"'“”‘’()")})


@dataclass(frozen=True)
class Curve:
    """Values at key places, linear between them and held at the ends; without places a list, one value for each of what it is about."""

    values: tuple[float, ...]
    places: tuple[float, ...] | None = None

    @classmethod
    def constant(cls, value: float) -> Curve:
        return cls((value,), (0,))

    @classmethod
    def parse(cls, text: str, what: str = "FRAME: LAMBDA") -> Curve:
        """Key places as text, `0: -0.7, 24: 0, 48: 0.7`. Raises TextError that quotes the part it cannot read; what: it should be."""
        found = pairs(text, r"\d{1,9}", f"no key frame; write {what}, such as 0: -0.7, 24: 0, 48: 0.7.")
        places = sorted(found, key=int)
        return cls(tuple(found[place] for place in places), tuple(map(int, places)))

    def times(self, factor: float) -> Curve:
        return Curve(tuple(value * factor for value in self.values), self.places)

    def at(self, *places: float) -> tuple[float, ...]:
        """Its values there. Those of a list are spread over 0 to 100, percent of all that it is about."""
        return tuple(np.interp(places, self._keys, self.values).tolist())

    def of(self, rows: Rows, what: str) -> tuple[float, ...]:
        """The value of each row. Raises FrameCountError for a list, of this name, of another length than the clip."""
        if self.places is not None:
            return self.at(*rows.frames)
        rows.require_clip(len(self.values), what)
        return tuple(self.values[frame] for frame in rows.frames)

    @cached_property
    def _keys(self) -> tuple[float, ...]:
        return self.places or tuple(percent(k, len(self.values)) for k in range(len(self.values)))


def pairs(text: str, key: str, wanted: str) -> dict[str, float]:
    """Text such as `24: 0, 48: 0.7`, whose keys match the pattern `key`, as numbers.

    Full-width characters of a Chinese keyboard count as ASCII, and `"24": 0` and `24:(0)` of other packs' schedules
    as 24: 0. Raises TextError that quotes what it cannot read.
    """
    found = {}
    plain = unicodedata.normalize("NFKC", text).translate(SPELLINGS)
    for part in filter(None, (part.strip() for part in re.split(r"[,;\n]", plain))):
        if not (match := re.fullmatch(rf"({key})\s*:\s*([+-]?(?:\d{{1,9}}\.?\d*|\.\d+))", part)):
            raise TextError(f"{part[:60]!r} is {wanted}", part)
        found[match[1]] = float(match[2])
    return found


def percent(place: float, count: int) -> float:
    """Of the way from the first to the last of `count`: 0 where there is but one."""
    return round(100 * place / max(count - 1, 1), PLACES)
