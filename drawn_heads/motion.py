"""Natural motion from a seed: head turns, blinks, speech, smiles, brows and gaze, as one state per frame."""

from __future__ import annotations

import numpy as np

from ..face_tools.coefficients import ARKIT_51
from .head import State

LIMITS = np.radians([20.0, 35.0, 20.0])  # pitch, yaw, roll


def _wander(draw: np.random.Generator, seconds: np.ndarray, period: float) -> np.ndarray:
    """(F,) random smooth curve with a standard deviation
    of about 1 and a typical period of `period` seconds.
    """
    rates = draw.uniform(0.4, 1.4, 4) / period
    phases, heights = draw.uniform(0, 2 * np.pi, 4), draw.normal(0, 1, 4)
    waves = np.sin(2 * np.pi * rates[:, None] * seconds + phases[:, None])
    return heights @ waves / np.sqrt(2.0)


def _blinks(draw: np.random.Generator, seconds: np.ndarray) -> np.ndarray:
    """(F,) 0..1: blinks. A lid falls in 0.1 s and rises in 0.2 s, every 0.9 to 3.2 seconds."""
    lid, at = np.zeros_like(seconds), draw.uniform(0, 1.5)
    while at < seconds[-1] + 0.3:
        since = seconds - at
        lid = np.maximum(lid, np.where(since < 0, 1 + since / 0.1, 1 - (since - 0.06) / 0.2).clip(0, 1))
        at += draw.uniform(0.9, 3.2)
    return lid


def _speech(draw: np.random.Generator, seconds: np.ndarray) -> np.ndarray:
    """(F,) 0..1: speech of four to five syllables per second, in phrases."""
    syllable = 0.5 + 0.5 * np.sin(2 * np.pi * 3.6 * seconds + 1.5 * _wander(draw, seconds, 1.2))
    phrase = np.clip(0.5 + 0.9 * _wander(draw, seconds, 2.2), 0, 1)
    return syllable * phrase


def clip(seed: int, frames: int, fps: float = 25.0) -> list[State]:
    """Return `frames` states of one motion; a seed gives the same motion for every identity.

    The head stays within 20, 35 and 20 degrees of pitch, yaw and
    roll; its position sways by a few millimetres.
    """
    draw = np.random.Generator(np.random.PCG64([seed, 0x307E]))
    seconds = np.arange(frames) / fps
    values = np.zeros((frames, len(ARKIT_51)), np.float32)

    def put(name: str, curve: np.ndarray) -> None:
        values[:, ARKIT_51.index(name)] = np.clip(curve, 0, 1)

    swing = np.stack([_wander(draw, seconds, period) for period in (2.6, 3.4, 3.4)], 1)
    usual = draw.normal(0, 1, 3) * 0.35
    rotation = LIMITS * np.tanh(usual + swing * draw.uniform(0.25, 0.8, 3))

    lid = _blinks(draw, seconds)
    squint = np.clip(0.45 * _wander(draw, seconds, 3.0) - 0.35, 0, 0.6)
    put("eyeBlinkLeft", np.maximum(lid, squint))
    put("eyeBlinkRight", np.maximum(lid, squint + 0.1 * _wander(draw, seconds, 3.0)))
    smile = np.clip(0.75 * _wander(draw, seconds, 2.4), 0, 1)
    side = 0.3 * _wander(draw, seconds, 3.0)
    put("mouthSmileLeft", smile * (1 + side))
    put("mouthSmileRight", smile * (1 - side))
    pucker = np.clip(0.8 * _wander(draw, seconds, 1.4) - 0.2, 0, 1) * (1 - smile)
    put("mouthPucker", pucker)
    put("jawOpen", _speech(draw, seconds) * draw.uniform(0.5, 1.2) * (1 - 0.4 * pucker))
    # A brow moves either up or down: both use one curve.
    inner = 0.75 * _wander(draw, seconds, 2.0)
    put("browInnerUp", inner)
    outer = 0.6 * _wander(draw, seconds, 2.4)
    for name in ("Left", "Right"):
        put("browDown" + name, -inner + 0.2 * _wander(draw, seconds, 2.2))
        put("browOuterUp" + name, outer + 0.2 * _wander(draw, seconds, 2.4))
    across, up = 0.7 * _wander(draw, seconds, 1.4), 0.45 * _wander(draw, seconds, 1.6)
    for left, right, curve in (
        ("In", "Out", -across),
        ("Out", "In", across),
        ("Up", "Up", up),
        ("Down", "Down", -up),
    ):
        put(f"eyeLook{left}Left", curve)
        put(f"eyeLook{right}Right", curve)

    sway = np.stack([_wander(draw, seconds, period) for period in (2.8, 3.2, 4.0)], 1) * [0.004, 0.003, 0.03]
    translation = State().translation + sway
    return [State(*row) for row in zip(rotation.astype(np.float32), translation.astype(np.float32), values)]
