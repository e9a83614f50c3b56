"""Tracks one person through frames to a FaceTrack: one entry per frame,
with a policy for frames without a detected face.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from ..geometry import wrapped
from ..track import FaceTrack
from ..track_errors import ChoiceError, FrameSizeError, NoFaceError
from .faces import Face, Source
from .follow import LARGEST, Choice, Follower
from .orientation import look
from .sanity_checks import lone_jumps
from .straight_look import with_zero

ON_MISS = ("stop", "hold", "interpolate")
SIDEWAYS, UPSIDE_DOWN = np.radians(50), np.radians(130)
ANGLES, LINEAR = ("rotation",), ("box", "landmarks", "translation", "coefficients")


def track_faces(
    frames: Iterable[np.ndarray],
    source: Source,
    fps: float,
    choice: Choice = LARGEST,
    on_miss: str = "stop",
    tick: Callable[[int], None] = lambda done: None,
    on_cut: str = "follow",
) -> FaceTrack:
    """Track one face through frames (H, W, 3) uint8 RGB of one size.

    Entry k of the track is always frame k.

    Keeps no frame longer than the source does. tick(done) is called after every frame;
    exceptions that it raises are propagated. Raises TrackError for an empty clip, for a clip
    without any face, with on_miss "stop" for any frame without a face (named in the message),
    and with on_cut "stop" for a cut to another person.
    """
    follow = Follower(choice, source.scheme, on_cut)
    rows = Rows()
    size: tuple[int, int] | None = None
    for frame, faces in look(source, frames):
        shape = frame.shape[1], frame.shape[0]
        if size is not None and size != shape:
            raise FrameSizeError(
                f"Frame {len(rows)} measures {shape[0]}x{shape[1]}, the frames before it {size[0]}x{size[1]}.",
                shape,
                size,
            )
        size = shape
        rows.append(follow(frame, faces))
        tick(len(rows))
    if size is None:
        raise NoFaceError("The clip is empty, so there is nothing to track: check its start and length.")
    valid, arrays = without_jumps(*rows.measured(), fps)
    notes = (
        source.notes + cut_notes(follow.cuts, follow.foreign) + check_misses(valid, on_miss, follow.foreign)
    )
    rotation = arrays["rotation"]
    assert rotation is not None, "every face that was found has a head pose"
    notes += tilt_notes(valid, rotation)
    filled: dict[str, Any] = fill(arrays, valid, on_miss)
    track = FaceTrack(
        source=source.name, scheme=source.scheme, fps=fps, size=size, valid=valid, notes=notes, **filled
    )
    return with_zero(track, source.pitch_zero)


class Rows:
    """The detections of one person, in arrays that grow in place: a list of
    faces would need twice the memory at the end.
    """

    def __init__(self):
        self._seen: list[bool] = []
        self._arrays: dict[str, np.ndarray] = {}
        self._count = 0

    def __len__(self) -> int:
        return len(self._seen)

    def append(self, face: Face | None) -> None:
        """Add the next frame's face, None if there is none."""
        self._seen.append(face is not None)
        if face is None:
            return
        for name in ANGLES + LINEAR:
            value = getattr(face, name)
            if value is None:
                continue
            rows = self._arrays.setdefault(name, np.empty((64, *np.shape(value)), np.float32))
            if self._count == len(rows):
                rows.resize((len(rows) * 5 // 4, *rows.shape[1:]), refcheck=False)
            rows[self._count] = value
        self._count += 1

    def measured(self) -> tuple[np.ndarray, dict[str, np.ndarray | None]]:
        """Return valid (F,) bool and the (M, ...) arrays of the M frames in which
        it is True; None for values that no face had.
        """
        for rows in self._arrays.values():
            rows.resize((self._count, *rows.shape[1:]), refcheck=False)
        return np.array(self._seen, bool), {name: self._arrays.get(name) for name in ANGLES + LINEAR}


def without_jumps(valid: np.ndarray, arrays: dict[str, np.ndarray | None], fps: float):
    """Remove entries (M, ...) in which the head turns away and back within neighbouring frames, which is
    impossible, and clear their `valid` (F,).
    """
    at = np.flatnonzero(valid)
    lone = np.zeros(0, bool) if arrays["rotation"] is None else lone_jumps(arrays["rotation"], at, fps)
    if not lone.any():
        return valid, arrays
    kept = np.isin(np.arange(len(valid)), at[~lone])
    return kept, {name: None if rows is None else rows[~lone] for name, rows in arrays.items()}


def tilt_notes(valid: np.ndarray, rotation: np.ndarray) -> tuple[str, ...]:
    """Notes that name the frames, detected by `valid` (F,) with `rotation` (M, 3), in which the head lies
    on its side or is upside down.
    """
    tilt, frames = np.abs(wrapped(rotation[:, 2])), np.flatnonzero(valid)
    kinds = {
        "lies on its side": (tilt > SIDEWAYS) & (tilt <= UPSIDE_DOWN),
        "is upside down": tilt > UPSIDE_DOWN,
    }
    return tuple(
        f"The head {kind} in {there.sum()} of {len(valid)} frames ({ranges(frames[there])}, counted from 0): turn the picture if it "
        "should not be."
        for kind, there in kinds.items()
        if there.any()
    )


def cut_notes(cuts: list[int], foreign: list[int]) -> tuple[str, ...]:
    """Notes that name the frames at which the clip continues with another person, and those that show
    another person meanwhile.
    """
    notes = ()
    if cuts:
        places = f"frame{'s' * (len(cuts) > 1)} {', '.join(map(str, cuts))}"
        notes += (
            f"The clip cuts to another person at {places} (counted from 0); the track follows the new person.",
        )
    if foreign:
        notes += (
            f"Only another person is seen in {len(foreign)} frames ({ranges(foreign)}, counted from 0).",
        )
    return notes


def check_misses(valid: np.ndarray, on_miss: str, foreign: Sequence[int] = ()) -> tuple[str, ...]:
    """Return a note that names the frames without the face, if there are any.

    `foreign` frames never cause an error.

    Raises TrackError if the policy does not allow missed frames.
    """
    if on_miss not in ON_MISS:
        raise ChoiceError("policy for missed frames", on_miss, ON_MISS)
    if valid.all():
        return ()
    if not valid.any():
        frames = "the picture" if len(valid) == 1 else f"any of the {len(valid)} frames"
        raise NoFaceError(
            f"No face was found in {frames}. Crop closer to the face, use pictures that show eyes and mouth, or choose "
            "another tracker."
        )
    missed = f"in {(~valid).sum()} of {len(valid)} frames ({ranges(np.flatnonzero(~valid))}, counted from 0)"
    if on_miss == "stop" and set(np.flatnonzero(~valid)) - set(foreign):
        raise NoFaceError(
            f'The face was not found {missed}. Set "if the face is lost" to hold or interpolate, or trim the clip.',
            int(np.flatnonzero(~valid)[0]),
        )
    done = "interpolated" if on_miss == "interpolate" else "repeated from the last frame with the face"
    return (f"The face was not found {missed}; these entries are {done}.",)


def ranges(frames: Iterable[int]) -> str:
    """Format frame numbers as ranges: 3, 17-22, 40."""
    runs: list[list[int]] = []
    for k in frames:
        if runs and k == runs[-1][1] + 1:
            runs[-1][1] = int(k)
        else:
            runs.append([int(k), int(k)])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in runs)


def fill(
    arrays: dict[str, np.ndarray | None], valid: np.ndarray, on_miss: str
) -> dict[str, np.ndarray | None]:
    """Spread detected entries (M, ...) over all F = len(valid) frames.

    Before the first and after the last one, both policies repeat.
    """
    if valid.all():
        return arrays
    at = np.flatnonzero(valid)
    frames = np.arange(len(valid))
    before = np.clip(np.searchsorted(at, frames, "right") - 1, 0, None)
    if on_miss != "interpolate":
        return {name: None if rows is None else rows[before] for name, rows in arrays.items()}
    after = np.clip(np.searchsorted(at, frames), None, len(at) - 1)
    span = np.maximum(at[after] - at[before], 1)
    share = np.clip((frames - at[before]) / span, 0, 1)
    return {
        name: None if rows is None else _blend(name, rows[before], rows[after], share)
        for name, rows in arrays.items()
    }


def _blend(name: str, a: np.ndarray, b: np.ndarray, share: np.ndarray) -> np.ndarray:
    step = b - a
    if name in ANGLES:  # along the shorter arc
        step = wrapped(step)
    return (a + step * share.reshape(-1, *[1] * (a.ndim - 1))).astype(np.float32)
