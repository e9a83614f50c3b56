"""Reads recordings of Epic's Live Link Face app (CSV, ARKit mode) by column name."""

from __future__ import annotations

import csv
import os
import re

import numpy as np

from ..coefficients import ARKIT_51, canonical_name
from ..track_errors import TrackFileError, TrackSettingError, TrackTextError
from .recording import Recording, clipped

SOURCE = "live-link-face"
TAKE_FPS = 60.0  # the app's default
TIME, HEAD = "timecode", ("headpitch", "headyaw", "headroll")
# The sense of the app's head angles is not documented. It is assumed to be ours
# until a take with a known motion is available.
HEAD_SIGNS = np.array([1.0, 1.0, 1.0])
DAY = 86400.0
# No take has that many frames per second, so a last field above this value counts milliseconds.
MILLISECONDS_FROM = 240


def read_live_link(path: str | os.PathLike, take_fps: float = TAKE_FPS) -> Recording:
    """Read a take. take_fps: frames per second that the timecode's frame field counts.

    Columns may have any order and case; unknown ones are ignored, TongueOut is optional. Rows without values,
    where the app found no face, are skipped and become gaps. Raises TrackError for another file, missing
    columns, or a value that is not a number.
    """
    header, rows = _read_table(path)
    columns = {canonical_name(word) or word.strip().lower(): i for i, word in enumerate(header)}
    absent = [name for name in ARKIT_51 if name not in columns]
    if TIME not in columns or len(absent) == len(ARKIT_51):
        raise TrackFileError(
            f"{path} is not a Live Link Face recording: its first row holds {', '.join(header[:4])} ... .",
            str(path),
        )
    if absent:
        raise TrackFileError(
            f"{path} lacks the columns {', '.join(absent)}. Record again in the app's ARKit mode.", str(path)
        )
    wanted = [columns[name] for name in ARKIT_51]
    rows = [(line, row) for line, row in rows if any(row[i].strip() for i in wanted if i < len(row))]
    if not rows:
        raise TrackFileError(f"{path} holds no frame with a face.", str(path))
    times, notes = seconds([row[columns[TIME]] for _, row in rows], take_fps)
    coefficients, clip_notes = clipped(_numbers(path, header, rows, wanted))
    rotation, head_notes = _head(path, header, rows, columns)
    # The time of an edited take may jump back: rows are sorted by time,
    # and of two rows with one time the later is kept.
    order = np.unique(times[::-1], return_index=True)[1]
    order = len(times) - 1 - order
    if len(order) < len(times) or np.any(np.diff(times) < 0):
        notes += (
            f"The timecode jumps back: {len(times)} rows were sorted by time, {len(order)} times are distinct.",
        )
    rotation = rotation[order] if rotation is not None else None
    return Recording(SOURCE, times[order], coefficients[order], rotation, notes + clip_notes + head_notes)


def _read_table(path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            rows = [
                (line, row)
                for line, row in enumerate(csv.reader(file), start=1)
                if any(cell.strip() for cell in row)
            ]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise TrackFileError(f"{path} cannot be read as a CSV file ({error}).", str(path)) from None
    if len(rows) < 2:
        raise TrackFileError(
            f"{path} holds {len(rows)} rows; a recording has a row of names and at least one of values.",
            str(path),
        )
    names = rows[0][1]
    for line, row in rows[1:]:
        if any(cell.strip() for cell in row[len(names) :]):
            raise TrackFileError(
                f"{path}, row {line}: {len(row)} values under {len(names)} names, so it is not known which is which.",
                str(path),
            )
    return names, rows[1:]


def _numbers(path, header, rows, columns) -> np.ndarray:
    values = np.empty((len(rows), len(columns)))
    for k, (line, row) in enumerate(rows):
        for j, column in enumerate(columns):
            cell = row[column] if column < len(row) else ""
            try:
                values[k, j] = float(cell)
            except ValueError:
                raise TrackFileError(
                    f"{path}, row {line}, column {header[column]}: {cell!r} is not a number.", str(path)
                ) from None
            if not np.isfinite(values[k, j]):
                raise TrackFileError(
                    f"{path}, row {line}, column {header[column]}: {cell!r} is not a finite number.",
                    str(path),
                )
    return values


def _head(path, header, rows, columns) -> tuple[np.ndarray | None, tuple[str, ...]]:
    if any(name not in columns for name in HEAD):
        return None, ("The recording has no head angles.",)
    angles = _numbers(path, header, rows, [columns[name] for name in HEAD]) * HEAD_SIGNS
    largest = np.abs(angles).max()
    unit = "radians" if largest <= np.pi else "degrees"
    note = (
        f"Head angles were read as {unit} (largest {largest:.2f}); if the head turns the wrong way, "
        "multiply that angle by -1 in Edit Track."
    )
    return (angles if unit == "radians" else np.deg2rad(angles)), (note,)


def seconds(timecodes: list[str], take_fps: float) -> tuple[np.ndarray, tuple[str, ...]]:
    """Convert timecodes to (N,) seconds, and notes on suspicious values.

    Supported are `HH:MM:SS:FF.fff` (FF the frame within the second, .fff a fraction
    of a frame), `HH:MM:SS:mmm`, `HH:MM:SS.fff` and a plain frame number. A jump
    back by more than half a day counts as midnight.
    """
    if take_fps <= 0:
        raise TrackSettingError(
            f"The frame rate of a take is above 0, got {take_fps:g}.", "take_fps", take_fps
        )
    fields = [_fields(code) for code in timecodes]
    if len({len(row) for row in fields}) != 1:
        raise TrackTextError(
            f"The timecodes have different forms, such as {timecodes[0]!r} and {timecodes[-1]!r}.",
            timecodes[-1],
        )
    table = np.array(fields)
    notes: tuple[str, ...] = ()
    if table.shape[1] == 1:
        return table[:, 0] / take_fps, notes
    times = table[:, :3] @ (3600.0, 60.0, 1.0)
    if table.shape[1] == 4:
        last = table[:, 3]
        if last.max() >= max(MILLISECONDS_FROM, take_fps):
            notes = (f"The last timecode field reaches {last.max():g} and was read as milliseconds.",)
            times = times + last / 1000
        else:
            notes = _rate_notes(last, times, take_fps)
            times = times + last / take_fps
    return times + DAY * np.concatenate([[0], np.cumsum(np.diff(times) < -DAY / 2)]), notes


def _fields(code: str) -> list[float]:
    """Parse a timecode to [frame], [h, m, s] or [h, m, s, frame]; drop-frame semicolons count as colons."""
    parts = re.split("[:;]", code.strip())
    try:
        numbers = [float(part) for part in parts]
    except ValueError:
        numbers = []
    if len(numbers) not in (1, 3, 4) or not np.isfinite(numbers).all():
        raise TrackTextError(f"{code!r} is not a timecode; expected HH:MM:SS:FF.fff or a frame number.", code)
    return numbers


def _rate_notes(frames: np.ndarray, whole_seconds: np.ndarray, take_fps: float) -> tuple[str, ...]:
    highest = int(frames.max())
    if highest >= take_fps:
        return (
            f"The timecode counts up to frame {highest} within a second, more than {take_fps:g} frames per second allow.",
        )
    # The first and last second may be incomplete, so only a take
    # with a full second between them reveals its rate.
    if np.ptp(whole_seconds) >= 2 and highest < take_fps / 2:
        return (
            f"The timecode never counts beyond frame {highest} within a second: the take was probably recorded "
            f"at {highest + 1} frames per second, not at {take_fps:g}.",
        )
    return ()
