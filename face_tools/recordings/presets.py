"""Preset expressions, each as a track of one frame."""

from __future__ import annotations

import numpy as np

from ..coefficients import ARKIT_51, ASSUMED_ORDER, CoefficientOrder, experimental_note
from ..track import FaceTrack
from ..track_errors import ChoiceError
from .recording import still_track

SOURCE = "preset"
# ARKit names; a name without a side means both. Values 0..1 were
# chosen by Apple's descriptions of the shapes.
PRESETS: dict[str, dict[str, float]] = {
    "neutral": {},
    "smile": {"mouthSmile": 0.7, "cheekSquint": 0.35, "eyeSquint": 0.2, "mouthDimple": 0.15},
    "laugh": {
        "mouthSmile": 0.85,
        "jawOpen": 0.4,
        "cheekSquint": 0.6,
        "eyeSquint": 0.45,
        "mouthUpperUp": 0.35,
    },
    "sad": {
        "mouthFrown": 0.55,
        "browInnerUp": 0.65,
        "mouthShrugLower": 0.3,
        "eyeLookDown": 0.2,
        "eyeBlink": 0.12,
    },
    "angry": {
        "browDown": 0.8,
        "noseSneer": 0.4,
        "mouthPress": 0.4,
        "eyeSquint": 0.35,
        "mouthFrown": 0.25,
        "jawForward": 0.15,
    },
    "surprised": {"browInnerUp": 0.8, "browOuterUp": 0.7, "eyeWide": 0.7, "jawOpen": 0.45},
    "disgusted": {
        "noseSneer": 0.75,
        "mouthUpperUp": 0.5,
        "browDown": 0.45,
        "eyeSquint": 0.4,
        "mouthFrown": 0.2,
    },
    "eyes closed": {"eyeBlink": 1.0},
    "wink": {"eyeBlinkLeft": 1.0, "eyeSquintLeft": 0.4, "mouthSmileLeft": 0.35, "cheekSquintLeft": 0.3},
    "mouth open": {"jawOpen": 0.7},
    "kiss": {"mouthPucker": 0.85, "mouthFunnel": 0.2},
    "puffed cheeks": {"cheekPuff": 0.9, "mouthPress": 0.3, "mouthPucker": 0.2},
}


def preset(name: str, strength: float = 1.0, order: CoefficientOrder = ASSUMED_ORDER) -> FaceTrack:
    """Return the expression `name` as a track of one frame, its values multiplied by `strength` and
    clipped to 0..1. Raises TrackError for another name.
    """
    if name not in PRESETS:
        raise ChoiceError("preset", name, tuple(PRESETS))
    values = np.zeros((1, len(ARKIT_51)), np.float32)
    for key, value in PRESETS[name].items():
        for side in ("", "Left", "Right"):
            if key + side in ARKIT_51:
                values[0, ARKIT_51.index(key + side)] = np.clip(value * strength, 0, 1)
    note = experimental_note(order)
    return still_track(SOURCE, 1.0, values, notes=(note,) if note else ())
