"""Tone-maps HDR pictures (BT.2100 HLG and PQ) to SDR: mid tones
keep their brightness, highlights are compressed.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from .opencv import cv2

WHITE, PEAK = 203.0, 1000.0  # nits of diffuse white and of the brightest highlight (BT.2408)
KNEE = 0.6  # fraction of SDR white; darker values are unchanged
GAMMA = 2.4  # of an SDR display (BT.1886)
LUMA = np.array([[0.2627, 0.6780, 0.0593]], np.float32)  # of BT.2020
TO_BT709 = np.array(  # linear BT.2020 to linear BT.709 (BT.2087)
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]], np.float32
)
STEPS = 4096  # quantisation steps of the signal


def to_sdr(signal: np.ndarray, transfer: str) -> np.ndarray:
    """Convert BT.2020 R'G'B' (H, W, 3) 0..1 to float32 BT.709 R'G'B' 0..1. transfer: "HLG" or "PQ"."""
    steps = (np.clip(signal, 0, 1) * (STEPS - 1) + 0.5).astype(np.uint16)
    light = _linear(transfer)[steps]
    if transfer == "HLG":  # light that a display of PEAK nits emits for the scene
        light *= cv2.pow(cv2.transform(light, LUMA), 0.2)[..., None] * np.float32(PEAK / WHITE)
    light = np.maximum(cv2.transform(light, TO_BT709), 0)
    brightest = light.max(-1, keepdims=True)
    return cv2.pow(light * (_compressed(brightest) / np.maximum(brightest, 1e-6)), 1 / GAMMA)


def _compressed(light: np.ndarray) -> np.ndarray:
    """Compress light 0..PEAK / WHITE to 0..1: unchanged up to KNEE, then with decreasing slope."""
    over, most = np.maximum((light - KNEE) / (1 - KNEE), 0), (PEAK / WHITE - KNEE) / (1 - KNEE)
    return np.minimum(
        np.where(light < KNEE, light, KNEE + (1 - KNEE) * over * (1 + over / most**2) / (1 + over)), 1
    )


@cache
def _linear(transfer: str) -> np.ndarray:
    """(STEPS,) float32 light of a signal 0..1: scene light 0..1
    for HLG, display light in units of WHITE for PQ.
    """
    signal = np.linspace(0, 1, STEPS)
    if transfer == "HLG":
        a, b, c = 0.17883277, 0.28466892, 0.55991073
        return np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12).astype(np.float32)
    root = signal ** (1 / 78.84375)
    nits = 10000 * (np.maximum(root - 0.8359375, 0) / (18.8515625 - 18.6875 * root)) ** (1 / 0.1593017578125)
    return (nits / WHITE).astype(np.float32)
