"""Fault detectors. Each yields one kind of fault with its frames."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ..trackers.tracking import ranges
from .curves import CURVES, lag, span
from .evidence import Evidence
from .limits import is_approximate
from .looks import TWO_PEOPLE
from .signals import REACH, neighbourhood, over_neighbours, runs, shake, steps

# Times in seconds, changes in grey levels, ratios relative to the neighbourhood or the driver.
# Largest change in a frozen picture: relative to the median change, and absolute.
FROZEN_SECONDS, FROZEN_SHARE, FROZEN_LEVEL = 0.4, 0.15, 0.3
FOLLOWED = 0.25  # ratio of the result's range to the driver's, below which a curve does not follow
MIRRORED_STEP = 0.5  # fraction of a step that mirroring removes
# Difference of yaw and roll together; fraction of it that remains after mirroring.
MIRRORED_DEGREES, MIRRORED_SHARE = 6.0, 0.4
SEAM_RATIO, SEAM_LEVEL = 3.0, 1.5
STEP_RATIO = 2.0  # relative step of the driver's landmarks above which the driver itself jumps
SHAKE_DEGREES, SHAKE_RATIO = 1.5, 2.0  # excess over the driver's shake, and ratio to it
# ArcFace similarity of another person; similarity in a clip of the right person.
STRANGER, USUAL, STRANGER_FRAMES = 0.25, 0.35, 2
ESTIMATES = ("jaw", "blink")  # curves that remain reliable if coefficients are estimated from landmarks
STILL_WORDS = {
    "jaw": "The jaw never opens",
    "blink": "The eyes never blink",
    "smile": "The smile is missing",
    "brows": "The brows never move",
    "gaze across": "The eyes never look sideways",
    "gaze up": "The eyes never look up or down",
}


@dataclass(frozen=True)
class Fault:
    """A fault.

    kind: name for programs; text: description; frames: affected frames, empty if it concerns the whole clip.
    """

    kind: str
    text: str
    frames: tuple[int, ...] = ()

    def __str__(self) -> str:
        return f"{self.text} (frames {ranges(self.frames)})." if self.frames else f"{self.text}."


def find(evidence: Evidence) -> tuple[Fault, ...]:
    """Return all faults of a result, in the order of DETECTORS."""
    return tuple(fault for detector in DETECTORS for fault in detector(evidence))


def missed(evidence: Evidence) -> Iterator[Fault]:
    lost = np.flatnonzero(evidence.driver.valid & ~evidence.result.valid)
    if len(lost):
        yield Fault(
            "missed",
            f"No face was found in {len(lost)} of {len(evidence.result)} frames",
            tuple(map(int, lost)),
        )


def frozen(evidence: Evidence) -> Iterator[Fault]:
    """Yield a fault for each stretch in which the picture does not change while the driver moves."""
    for first, last in _frozen_runs(evidence):
        seconds = (last - first + 1) / evidence.driver.fps
        yield Fault(
            "frozen",
            f"The picture stands still for {seconds:.1f} s while the driver moves",
            tuple(range(first, last + 1)),
        )


def mirrored(evidence: Evidence) -> Iterator[Fault]:
    frames = _mirrored_frames(evidence)
    if frames:
        yield Fault("mirrored", "The picture is mirrored", tuple(frames))
    tracks, angles = (evidence.driver, evidence.result), (CURVES["yaw"], CURVES["roll"])
    turns = [np.stack([angle.degrees(track)[evidence.at] for angle in angles]) for track in tracks]
    apart, turned = (float(np.abs(sign * turns[1] - turns[0]).sum(0).mean()) for sign in (1, -1))
    if apart > MIRRORED_DEGREES and turned < MIRRORED_SHARE * apart:
        text = f"The whole clip is mirrored: yaw and roll are {apart:.0f} degrees off"
        yield Fault("mirrored clip", text)


def unmoved(evidence: Evidence) -> Iterator[Fault]:
    """Yield a fault for each curve that moves in the driver and not in the result."""
    estimated = is_approximate(evidence.driver) or is_approximate(evidence.result)
    for name, curve in CURVES.items():
        pair = evidence.curve(name)
        if pair is None or estimated and curve.angle is None and name not in ESTIMATES:
            continue
        asked, seen = (span(values) for values in pair)
        if asked > curve.lively and seen < FOLLOWED * asked:
            text = STILL_WORDS.get(name, f"The head's {name} does not follow")
            yield Fault(
                f"still {name}",
                f"{text}: its range is {seen:.2g} and the driver's {asked:.2g} ({curve.unit})",
            )


def seams(evidence: Evidence) -> Iterator[Fault]:
    """Yield a fault for each single step at which the whole picture jumps and the driver does not."""
    if evidence.motion is None or len(evidence.motion.change) < 2 * REACH:
        return
    change = evidence.motion.change
    jumps = (
        (over_neighbours(change) > SEAM_RATIO)
        & (change - neighbourhood(change) > SEAM_LEVEL)
        & ~_driver_jumps(evidence)
    )
    for step in np.flatnonzero(jumps & ~_explained(evidence)):
        ratio = over_neighbours(change)[step]
        text = f"A seam: the picture changes {ratio:.1f} times as much as before and after"
        yield Fault("seam", text, (int(step), int(step) + 1))


def jitter(evidence: Evidence) -> Iterator[Fault]:
    own, seen = (shake(track, evidence.at) for track in (evidence.driver, evidence.result))
    if seen > max(own + SHAKE_DEGREES, SHAKE_RATIO * own):
        yield Fault(
            "jitter", f"The head shakes by {seen:.1f} degrees from frame to frame, the driver by {own:.1f}"
        )


def late(evidence: Evidence) -> Iterator[Fault]:
    shift = delay(evidence)
    if shift:
        word = "late" if shift > 0 else "early"
        yield Fault(word, f"The result follows the driver {abs(shift)} frame{'s' * (abs(shift) > 1)} {word}")


def stranger(evidence: Evidence) -> Iterator[Fault]:
    """Yield a fault where the face is not the portrait's person, or changes
    to another person, for each identity measure.
    """
    for identity in evidence.identities:
        usual = float(np.median(identity.similarity))
        if identity.to_portrait and usual < STRANGER:
            yield Fault(
                "stranger",
                f"The face is not the person of the portrait: similarity {usual:.2f} ({identity.method})",
            )
            continue
        if identity.to_portrait:
            other = (identity.similarity < STRANGER) & (usual > USUAL)
        else:
            other = identity.similarity < TWO_PEOPLE
        frames = tuple(map(int, identity.frames[other]))
        if len(frames) >= STRANGER_FRAMES:
            low = float(identity.similarity[other].mean())
            text = f"Another person's face: similarity {low:.2f} instead of {usual:.2f} ({identity.method})"
            yield Fault("stranger", text, frames)


DETECTORS = (missed, frozen, mirrored, unmoved, seams, jitter, late, stranger)


def delay(evidence: Evidence) -> int:
    """Delay of the result in frames, over all curves that move in the
    driver; 0 if it is unclear or if frames are missing.
    """
    pairs = [evidence.curve(name) for name in ("pitch", "yaw", "roll", "jaw", "blink")]
    lively = [
        pair for name, pair in zip(CURVES, pairs) if pair is not None and span(pair[0]) > CURVES[name].lively
    ]
    if not lively or not evidence.at.all() or len(evidence.at) < 12:
        return 0
    driver, result = (np.stack(side, 1) for side in zip(*lively))
    return lag(driver, result)


def _frozen_runs(evidence: Evidence) -> list[tuple[int, int]]:
    """First and last frame of each stretch in which the picture does not change."""
    if evidence.motion is None:
        return []
    change = evidence.motion.change
    still = (
        change <= max(FROZEN_SHARE * float(np.median(change)), FROZEN_LEVEL)
        if len(change)
        else np.zeros(0, bool)
    )
    least = max(3, round(FROZEN_SECONDS * evidence.driver.fps) - 1)
    return [(a, b + 1) for a, b in runs(still) if b - a + 1 >= least and _driver_moves(evidence, a, b + 1)]


def _driver_moves(evidence: Evidence, first: int, last: int) -> bool:
    """Whether any curve of the driver moves by more than half of its `lively` range between two frames."""
    part = evidence.driver.rows(slice(first, last + 1))
    curves = [(curve, curve.of(part)) for curve in CURVES.values()]
    return any(values is not None and np.ptp(values) > curve.lively / 2 for curve, values in curves)


def _mirrored_frames(evidence: Evidence) -> list[int]:
    """Mirrored frames: steps that mirroring undoes divide
    the clip, and the smaller part counts as mirrored.
    """
    if evidence.motion is None:
        return []
    turns = np.r_[False, evidence.motion.mirrored > MIRRORED_STEP]
    other = np.cumsum(turns) % 2 == 1
    if other.mean() > 0.5:
        other = ~other
    return [int(k) for k in np.flatnonzero(other)]


def _driver_jumps(evidence: Evidence) -> np.ndarray:
    """(F - 1,) bool: steps at which the driver itself jumps."""
    jumps = over_neighbours(steps(evidence.driver)) > STEP_RATIO
    if evidence.driver_motion is not None:
        jumps = jumps | (over_neighbours(evidence.driver_motion.change) > SEAM_RATIO / 2)
    return jumps


def _explained(evidence: Evidence) -> np.ndarray:
    """(F - 1,) bool: steps into or out of a stretch in which another detector found a fault."""
    marked = np.zeros(len(evidence.result), bool)
    for detector in (frozen, mirrored, stranger):
        for fault in detector(evidence):
            marked[list(fault.frames)] = True
    return marked[1:] != marked[:-1]
