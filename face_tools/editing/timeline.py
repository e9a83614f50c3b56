"""Tracks over time: interpolation between frames, retiming, and joining tracks."""

from __future__ import annotations

import numpy as np

from ..geometry import wrapped
from ..track import ROWS, FaceTrack, require_length
from ..track_errors import ChoiceError, TrackError, TrackSettingError
from ..trackers.straight_look import alike

ENDS = ("once", "loop", "ping-pong")


def rows_at(track: FaceTrack, positions: np.ndarray, closed: bool = False) -> FaceTrack:
    """Sample the track at fractional frame numbers `positions` (T,), linear
    between frames; angles along the shorter arc.

    Positions are clipped to the track; with `closed` they wrap around from the last frame to the first. A
    sample is `valid` if all frames that it is interpolated from are.
    """
    count = len(track)
    positions = np.mod(positions, count) if closed else np.clip(positions, 0, count - 1)
    before = np.floor(positions + 1e-9).astype(int) % count
    after = (before + 1) % count if closed else np.minimum(before + 1, count - 1)
    share = np.clip(positions - np.floor(positions + 1e-9), 0, 1)
    mixed = blend(track.rows(before), track.rows(after), share)
    return mixed.replace(valid=track.valid[before] & (track.valid[after] | (share < 1e-6)))


def blend(a: FaceTrack, b: FaceTrack, share: np.ndarray) -> FaceTrack:
    """Interpolate linearly between two tracks; angles along the shorter arc.

    share: (F,) 0 = a, 1 = b. All other fields are those of a.
    """
    a, b = _with_equal_frames(a, b)
    changes = {}
    for name in ROWS:
        x, y = getattr(a, name), getattr(b, name)
        if x is None or y is None:
            changes[name] = None
            continue
        step = wrapped(y - x) if name == "rotation" else y - x
        mixed = x + step * np.asarray(share).reshape(-1, *[1] * (x.ndim - 1))
        changes[name] = (wrapped(mixed) if name == "rotation" else mixed).astype(np.float32)
    return a.replace(valid=a.valid & b.valid, **changes)


def retime(
    track: FaceTrack,
    speed: float = 1.0,
    fps: float | None = None,
    first: int = 0,
    last: int | None = None,
    ends: str = "once",
    frames: int | None = None,
) -> tuple[FaceTrack, np.ndarray]:
    """Cut out the frames first..last (inclusive; None = the end), play them at `speed`, and sample them at
    `fps` (None = unchanged).

    ends:   what follows the last frame: nothing, the first frame again, or the clip backwards
    frames: length of the result; None = one pass (forwards and backwards for ping-pong)

    Returns the track and, for each of its frames, the nearest frame of the input track (int,
    (T,)). Raises TrackError for a range outside the track, or for more `frames` than one pass
    gives under "once" or than any track may have.
    """
    last = len(track) - 1 if last is None else last
    if not 0 <= first <= last < len(track):
        raise TrackSettingError(
            f"The track has frames 0 to {len(track) - 1}, so frames {first} to {last} cannot be cut out.",
            "first_frame",
            first,
        )
    fps = track.fps if fps is None else fps
    if speed <= 0 or fps <= 0:
        raise TrackSettingError(
            f"Speed and frame rate are above 0, got {speed:g} and {fps:g}.", "speed", speed
        )
    if ends not in ENDS:
        raise ChoiceError("way to play a track", ends, ENDS)
    cut = track.rows(slice(first, last + 1))
    count, step = len(cut), speed * track.fps / fps
    span = {"once": count - 1, "loop": count, "ping-pong": 2 * (count - 1)}[ends]
    one_pass = require_length(span / step + (ends == "once"), "The speed and the frame rate")
    frames = max(one_pass, 1) if frames is None else frames
    if ends == "once" and frames > one_pass:
        raise TrackSettingError(
            f'{frames} frames were asked for, but one pass gives {one_pass}: choose "loop" or "ping-pong".',
            "frames",
            frames,
        )
    positions = np.arange(frames) * step
    if ends == "loop":
        positions = np.mod(positions, count)
    elif ends == "ping-pong" and count > 1:
        positions = (count - 1) - np.abs(np.mod(positions, span) - (count - 1))
    result = rows_at(cut, positions, closed=ends == "loop").replace(fps=float(fps))
    return result, first + np.floor(positions + 0.5).astype(int) % count


def cross_fade(a: FaceTrack, b: FaceTrack, frames: int) -> FaceTrack:
    """Join a and b, overlapping by `frames` frames that are cross-faded.

    Raises TrackError if source, frame rate or size differ.
    """
    a.require_source(b)
    if (a.fps, a.size) != (b.fps, b.size):
        raise TrackError(
            f"These tracks run at {a.fps:g} and {b.fps:g} frames per second over pictures of {a.size} and {b.size}; "
            "retime or crop one of them first."
        )
    if (a.coefficients is None) != (b.coefficients is None):
        raise TrackError("Only one of the two tracks has expression coefficients, so they cannot be joined.")
    if not 0 <= frames <= min(len(a), len(b)):
        raise TrackSettingError(
            f"A cross-fade of {frames} frames does not fit into tracks of {len(a)} and {len(b)} frames.",
            "frames",
            frames,
        )
    b, notes = alike(b, a)
    time = (np.arange(frames) + 1) / (frames + 1)
    parts = [a.rows(slice(0, len(a) - frames))] if frames < len(a) else []
    if frames:
        parts.append(
            blend(
                a.rows(slice(len(a) - frames, None)), b.rows(slice(0, frames)), time * time * (3 - 2 * time)
            )
        )
    parts += [b.rows(slice(frames, None))] if frames < len(b) else []
    return joined(parts, unique_notes(a, b, more=notes))


def joined(parts: list[FaceTrack], notes: tuple[str, ...]) -> FaceTrack:
    """Concatenate tracks of one source."""
    parts = list(_with_equal_frames(*parts))
    rows = {name: [getattr(part, name) for part in parts] for name in ("valid", *ROWS)}
    arrays = {
        name: None if any(p is None for p in pieces) else np.concatenate(pieces)
        for name, pieces in rows.items()
    }
    return parts[0].replace(notes=notes, **arrays)


def _with_equal_frames(*tracks: FaceTrack) -> tuple[FaceTrack, ...]:
    """Return the tracks without the squares of their
    crops, unless all were cropped from frames of one size.
    """
    if len({track.whole for track in tracks}) == 1:
        return tracks
    return tuple(track.uncropped() for track in tracks)


def unique_notes(*tracks: FaceTrack, more: tuple[str, ...] = ()) -> tuple[str, ...]:
    """All notes in order, without duplicates."""
    return tuple(dict.fromkeys([note for track in tracks for note in track.notes] + list(more)))
