"""Face poses described by a dozen plain words, and clips made from key poses."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Mapping

import numpy as np

from ..coefficients import ARKIT_51
from ..track_errors import TrackSettingError, TrackTextError

ANGLES = ("pitch", "yaw", "roll")  # degrees
# Word -> coefficients at 1, and at -1 if it has an opposite; a name without a side
# stands for both sides. Left is the subject's.
WORDS: dict[str, tuple[dict[str, float], dict[str, float]]] = {
    "blink_left": ({"eyeBlinkLeft": 1.0}, {"eyeWideLeft": 1.0}),
    "blink_right": ({"eyeBlinkRight": 1.0}, {"eyeWideRight": 1.0}),
    "look_sideways": (
        {"eyeLookOutLeft": 1.0, "eyeLookInRight": 1.0},
        {"eyeLookInLeft": 1.0, "eyeLookOutRight": 1.0},
    ),
    "look_up": ({"eyeLookUp": 1.0}, {"eyeLookDown": 1.0}),
    "brows": ({"browInnerUp": 1.0, "browOuterUp": 1.0}, {"browDown": 1.0}),
    "jaw": ({"jawOpen": 1.0}, {}),
    "smile": ({"mouthSmile": 1.0, "cheekSquint": 0.3}, {"mouthFrown": 1.0}),
    "pucker": ({"mouthPucker": 1.0}, {}),
}
NAMES = (*ANGLES, *WORDS)
DEGREES = 30.0  # head turn at the ends of a slider
# Largest head angles, degrees from straight ahead in the order of ANGLES, to
# which a picture can be warped, own pose included.
FARTHEST = (35.0, 40.0, 60.0)
MAX_FRAMES = 10_000
LARGEST = 360.0  # largest absolute value in a key pose


def slider(name: str) -> tuple[float, float]:
    """Return the lowest and highest value of the slider for one word or angle."""
    most = DEGREES if name in ANGLES else 1.0
    return (-most if name in ANGLES or WORDS[name][1] else 0.0), most


def coefficients(pose: Mapping[str, float]) -> np.ndarray:
    """(51,) float32 coefficients of a pose, in the order of ARKIT_51,
    not clipped to 0..1; missing words count as 0.
    """
    values = np.zeros(len(ARKIT_51), np.float32)
    for word, sides in WORDS.items():
        amount = pose.get(word, 0.0)
        for name, share in sides[amount < 0].items():
            for full in (name, f"{name}Left", f"{name}Right"):
                if full in ARKIT_51:
                    values[ARKIT_51.index(full)] += abs(amount) * share
    return values


def turn(pose: Mapping[str, float]) -> np.ndarray:
    """(3,) float32 radians (pitch, yaw, roll) of a pose."""
    return np.radians([pose.get(name, 0.0) for name in ANGLES]).astype(np.float32)


def reachable(turns: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Clip turns (F, 3), radians relative to the portrait, so that the portrait's own
    pose (3,) plus the turn stays within FARTHEST.

    If `own` is already beyond a limit, turns further that way become 0. Returns float32.
    """
    most, own = np.radians(FARTHEST), np.asarray(own, np.float64)
    return np.clip(turns, np.minimum(-most - own, 0), np.maximum(most - own, 0)).astype(np.float32)


def shortfalls(turns: np.ndarray, own: np.ndarray) -> list[str]:
    """Return one note per angle of the turns (F, 3), radians, that `reachable` limits."""
    limited = np.degrees(reachable(turns, own))
    asked, own = np.degrees(turns), np.degrees(own)
    worst = np.abs(asked - limited).argmax(0)
    return [
        f"The portrait has {name} {own[k]:+.0f} degrees already: {asked[worst[k], k]:+.0f} was limited to "
        f"{limited[worst[k], k]:+.0f}, because a picture can be turned to {FARTHEST[k]:.0f} at most."
        for k, name in enumerate(ANGLES)
        if abs(asked[worst[k], k] - limited[worst[k], k]) > 0.5
    ]


def key_poses(text: str) -> list[tuple[float, dict[str, float]]]:
    """Parse lines such as `0.5: smile=0.8 yaw=10` to (seconds, pose), sorted by time.

    Raises TrackError that quotes a wrong line.
    """
    poses = []
    for line in filter(None, map(str.strip, unicodedata.normalize("NFKC", text).splitlines())):
        time, colon, values = line.partition(":")
        try:
            pairs = [pair.split("=") for pair in values.split()]
            pose = {name: float(value) for name, value in pairs}
            seconds = float(time)
        except ValueError:
            raise TrackTextError(
                f'"{line}" is no key pose: write `SECONDS: NAME=VALUE NAME=VALUE`, as in `0.5: smile=0.8 yaw=10`.',
                line,
            ) from None
        if unknown := [name for name in pose if name not in NAMES]:
            raise TrackTextError(
                f'"{line}": there is no {", ".join(unknown)}; a pose knows {", ".join(NAMES)}.', line
            )
        if wrong := [f"{name}={value:g}" for name, value in pose.items() if not abs(value) <= LARGEST]:
            raise TrackTextError(f'"{line}": {wrong[0]} is not between -{LARGEST:g} and {LARGEST:g}.', line)
        if not colon or seconds < 0 or not math.isfinite(seconds):
            raise TrackTextError(
                f'"{line}" needs a time of at least 0 seconds and a colon first, as in `0.5: smile=0.8`.',
                line,
            )
        poses.append((seconds, pose))
    times = [seconds for seconds, _ in poses]
    if len(set(times)) != len(times):
        raise TrackTextError(
            f"Two key poses stand at the same time: {', '.join(f'{seconds:g}' for seconds in sorted(times))} s.",
            text,
        )
    return sorted(poses, key=lambda pose: pose[0])


def clip(
    base: Mapping[str, float], poses: list[tuple[float, dict[str, float]]], fps: float, loop: bool
) -> list[dict[str, float]]:
    """Return one pose per frame, eased from each key pose to the next.

    Values missing from a key pose come from `base`.

    Without key poses the clip is `base` alone. loop: return to the first pose after the last
    one, in the duration of the first step, so that the clip can be repeated. Raises
    TrackError for a clip of more than MAX_FRAMES.
    """
    if not poses:
        return [dict(base)]
    keys = [(seconds - poses[0][0], {**base, **pose}) for seconds, pose in poses]
    if loop and len(keys) > 1:
        keys.append((keys[-1][0] + keys[1][0], keys[0][1]))
    length = keys[-1][0]
    frames = round(length * fps) + (0 if loop and len(keys) > 1 else 1)
    if frames > MAX_FRAMES:
        raise TrackSettingError(
            f"The key poses last {length:g} s, which is {frames} frames at {fps:g} a second; {MAX_FRAMES} are the most.",
            "key_poses",
            frames,
        )
    times = np.array([seconds for seconds, _ in keys])
    return [_between(keys, times, k / fps) for k in range(frames)]


def _between(keys, times: np.ndarray, now: float) -> dict[str, float]:
    after = min(int(np.searchsorted(times, now, side="right")), len(keys) - 1)
    (start, a), (end, b) = keys[max(after - 1, 0)], keys[after]
    share = min(max((now - start) / (end - start), 0.0), 1.0) if end > start else 0.0
    eased = share * share * (3 - 2 * share)
    return {name: a.get(name, 0.0) + eased * (b.get(name, 0.0) - a.get(name, 0.0)) for name in NAMES}
