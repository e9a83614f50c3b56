"""The edit language of Edit Face Track: `jawOpen*1.2+0.05`, `yaw*0.5`, `eyeBlink=1 @ 12-14`.

It is parsed with a regular expression, never evaluated.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass

import numpy as np

from ..coefficients import ARKIT_51, canonical_name
from ..track import FaceTrack
from ..track_errors import NoCoefficientsError, TrackSettingError, TrackTextError

ANGLES = ("pitch", "yaw", "roll")
LARGEST = 1e6  # largest absolute factor, offset or value
RAMP = 2  # frames over which an edit of a frame range fades in before it and out after it
_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)"
_RULE = re.compile(
    rf"(?P<name>[A-Za-z_]+)\s*(?:=\s*(?P<value>{_NUMBER})|(?:\*\s*(?P<scale>{_NUMBER}))?\s*(?:(?P<sign>[+-])\s*(?P<offset>[\d.]+))?)"
    r"\s*(?:@\s*(?P<first>\d{1,9})\s*(?:-\s*(?P<last>\d{1,9}))?)?"
)


@dataclass(frozen=True)
class Rule:
    """new = old * scale + offset for the columns `names`, in frames first..last (None = all frames).

    Angle offsets are in degrees.
    """

    names: tuple[str, ...]
    scale: float
    offset: float
    first: int | None = None
    last: int | None = None

    def weights(self, count: int) -> np.ndarray:
        """(count,) 1 in frames of the range, 0 outside, with a linear ramp between."""
        if self.first is None or self.last is None:
            return np.ones(count)
        rows = np.arange(count)
        away = np.maximum(self.first - rows, rows - self.last).clip(0)
        return (1 - away / (RAMP + 1)).clip(0)


def parse(text: str) -> list[Rule]:
    """Parse edits separated by commas, semicolons or lines; `#` starts a comment.

    An edit is NAME*SCALE, NAME+OFFSET, NAME*SCALE+OFFSET or NAME=VALUE, optionally followed by @ FRAME or @
    FIRST-LAST. NAME is a coefficient, the common beginning of several (`eyeBlink`, `mouth`), `all`, or pitch,
    yaw, roll (offsets and values in degrees). Raises TrackError that quotes the part it cannot read.
    """
    parts = [part.strip() for line in text.splitlines() for part in re.split("[,;]", line.split("#")[0])]
    return [_rule(part) for part in parts if part]


def _rule(part: str) -> Rule:
    found = _RULE.fullmatch(part)
    if not found or all(found[key] is None for key in ("value", "scale", "offset")):
        raise TrackTextError(
            f"{_short(part)} is not an edit; write NAME*SCALE, NAME+OFFSET or NAME=VALUE, such as jawOpen*1.2+0.05.",
            part,
        )
    try:
        scale = 0.0 if found["value"] else float(found["scale"] or 1)
        offset = float(found["value"] or (found["sign"] or "") + (found["offset"] or "0"))
    except ValueError:
        raise TrackTextError(
            f"{_short(part)} holds {_short(found['offset'])}, which is not a number. Write a number such as 0.05.",
            part,
        ) from None
    first = int(found["first"]) if found["first"] else None
    last = int(found["last"]) if found["last"] else first
    if max(abs(scale), abs(offset)) > LARGEST:
        raise TrackTextError(f"{_short(part)} holds a number beyond {LARGEST:,.0f}.", part)
    if first is not None and last is not None and last < first:
        raise TrackTextError(f"{part!r} ends at frame {last}, before it starts at {first}.", part)
    return Rule(matching_names(found["name"]), scale, offset, first, last)


def _short(part: str) -> str:
    return repr(part if len(part) <= 60 else part[:57] + "...")


def matching_names(word: str) -> tuple[str, ...]:
    """Return the columns that a word selects: one angle, one
    coefficient, or all coefficients that begin with it.
    """
    if word.lower() in ANGLES:
        return (word.lower(),)
    if word.lower() == "all":
        return ARKIT_51
    exact = canonical_name(word)
    if exact in ARKIT_51:
        return (exact,)
    names = tuple(n for n in ARKIT_51 if n.lower().startswith(word.lower()) and n[len(word)].isupper())
    if not names:
        near = difflib.get_close_matches(word.lower(), {n.lower(): n for n in (*ARKIT_51, *ANGLES)}, n=1)
        known = {n.lower(): n for n in (*ARKIT_51, *ANGLES)}
        hint = (
            f"did you mean {known[near[0]]!r}?"
            if near
            else "names are those of ARKit, such as jawOpen, or pitch, yaw, roll."
        )
        raise TrackTextError(f"There is no coefficient or angle {word!r}: {hint}", word)
    return names


def adjust(track: FaceTrack, rules: list[Rule]) -> FaceTrack:
    """Apply the rules in order.

    Coefficients are clipped to 0..1. Raises TrackError for frames or coefficients that the track lacks.
    """
    rotation = track.rotation.astype(np.float64)
    coefficients = None if track.coefficients is None else track.coefficients.astype(np.float64)
    for rule in rules:
        if rule.last is not None and rule.last >= len(track):
            raise TrackSettingError(
                f"An edit names frame {rule.last}, but the track ends at frame {len(track) - 1}.",
                "frame",
                rule.last,
            )
        weights = rule.weights(len(track))
        for name in rule.names:
            if name in ANGLES:
                table, column, offset = rotation, ANGLES.index(name), np.deg2rad(rule.offset)
            else:
                if coefficients is None:
                    raise NoCoefficientsError(
                        f"The track from {track.source} has no expression coefficients, so {name} cannot be edited; "
                        "mix some in first (Import Live Link Face, Preset Expression).",
                        track.source,
                    )
                table, column, offset = coefficients, ARKIT_51.index(name), rule.offset
            old = table[:, column]
            table[:, column] = old + weights * (old * rule.scale + offset - old)
    if coefficients is not None:
        coefficients = coefficients.clip(0, 1).astype(np.float32)
    return track.replace(rotation=rotation.astype(np.float32), coefficients=coefficients)


def names_in(text: str) -> tuple[str, ...]:
    """Return the columns that a list of words selects, without duplicates, in order.

    Raises TrackError for a word that selects none.
    """
    words = [word for word in re.split(r"[\s,;]+", text) if word]
    return tuple(dict.fromkeys(name for word in words for name in matching_names(word)))
