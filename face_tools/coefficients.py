"""The 51 ARKit expression coefficients: their names, and the
order in which the official networks expect them.
"""

from __future__ import annotations

import json
import os
import re
import zlib
from dataclasses import dataclass

import numpy as np

from .track_errors import TrackError, TrackFileError

# Apple's 52 blend shapes without tongueOut, in the alphabetical order of MediaPipe's face_blendshapes_graph
# (without `_neutral`). Left and Right are the subject's.
ARKIT_51 = (
    "browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight",
    "cheekPuff", "cheekSquintLeft", "cheekSquintRight",
    "eyeBlinkLeft", "eyeBlinkRight", "eyeLookDownLeft", "eyeLookDownRight", "eyeLookInLeft", "eyeLookInRight",
    "eyeLookOutLeft", "eyeLookOutRight", "eyeLookUpLeft", "eyeLookUpRight", "eyeSquintLeft", "eyeSquintRight",
    "eyeWideLeft", "eyeWideRight",
    "jawForward", "jawLeft", "jawOpen", "jawRight",
    "mouthClose", "mouthDimpleLeft", "mouthDimpleRight", "mouthFrownLeft", "mouthFrownRight", "mouthFunnel", "mouthLeft",
    "mouthLowerDownLeft", "mouthLowerDownRight", "mouthPressLeft", "mouthPressRight", "mouthPucker", "mouthRight",
    "mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper", "mouthSmileLeft", "mouthSmileRight",
    "mouthStretchLeft", "mouthStretchRight", "mouthUpperUpLeft", "mouthUpperUpRight",
    "noseSneerLeft", "noseSneerRight",
)  # fmt: skip

# The columns of a Live Link Face recording, in the order of Apple's ARFaceAnchor headers, without tongueOut.
LIVE_LINK_51 = (
    "eyeBlinkLeft", "eyeLookDownLeft", "eyeLookInLeft", "eyeLookOutLeft", "eyeLookUpLeft", "eyeSquintLeft", "eyeWideLeft",
    "eyeBlinkRight", "eyeLookDownRight", "eyeLookInRight", "eyeLookOutRight", "eyeLookUpRight", "eyeSquintRight",
    "eyeWideRight",
    "jawForward", "jawRight", "jawLeft", "jawOpen",
    "mouthClose", "mouthFunnel", "mouthPucker", "mouthRight", "mouthLeft", "mouthSmileLeft", "mouthSmileRight",
    "mouthFrownLeft", "mouthFrownRight", "mouthDimpleLeft", "mouthDimpleRight", "mouthStretchLeft", "mouthStretchRight",
    "mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper", "mouthPressLeft", "mouthPressRight",
    "mouthLowerDownLeft", "mouthLowerDownRight", "mouthUpperUpLeft", "mouthUpperUpRight",
    "browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight",
    "cheekPuff", "cheekSquintLeft", "cheekSquintRight", "noseSneerLeft", "noseSneerRight",
)  # fmt: skip

ORDER_FILE = "coefficient_order.json"  # in models/face_tools; written by `python run.py calibrate CLIP`

_CANONICAL = {name.lower(): name for name in (*ARKIT_51, "tongueOut")}


def canonical_name(name: str) -> str | None:
    """Return the ARKit name for `name` in any spelling (any case; `eyeBlink_L`
    or `EyeBlinkLeft`), or None for another word.
    """
    word = re.sub(r"_l$", "left", re.sub(r"_r$", "right", name.strip().lower()))
    return _CANONICAL.get(word.replace("_", ""))


@dataclass(frozen=True)
class CoefficientOrder:
    """Order of the coefficients in the 51 numbers of the official networks.

    names:      the 51 ARKit names in network order
    provenance: where the order comes from
    measured:   True if it was recovered from the official network, False for the assumption
    confidence: (51,) correlation with which each name was recovered, or empty
    """

    names: tuple[str, ...]
    provenance: str
    measured: bool = False
    confidence: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if sorted(self.names) != sorted(ARKIT_51):
            wrong = sorted(set(ARKIT_51).symmetric_difference(self.names)) or "a name twice"
            raise TrackError(
                f"A coefficient order holds each of the 51 ARKit names once; this one differs in: {wrong}."
            )

    @property
    def label(self) -> str:
        """Text by which a track records the order used for its
        coefficients: checksum and provenance of the table.
        """
        return f"order {zlib.crc32(' '.join(self.names).encode()):08x} ({self.provenance})"

    def save(self, path: str | os.PathLike) -> None:
        """Write the order as JSON, one line per coefficient."""
        rows = [
            {"name": name, "confidence": round(c, 4)}
            for name, c in zip(self.names, self.confidence, strict=True)
        ]
        body = ",\n  ".join(json.dumps(row) for row in rows)
        with open(path, "w", encoding="utf-8") as file:
            file.write(f'{{"provenance": {json.dumps(self.provenance)},\n "order": [\n  {body}\n ]}}\n')

    @classmethod
    def load(cls, path: str | os.PathLike) -> "CoefficientOrder":
        """Read an order written by `save`. Raises TrackFileError for another file."""
        try:
            with open(path, encoding="utf-8") as file:
                data = json.load(file)
            names = tuple(row["name"] for row in data["order"])
            confidence = tuple(float(row["confidence"]) for row in data["order"])
            return cls(names, str(data["provenance"]), measured=True, confidence=confidence)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise TrackFileError(
                f"{path} is not a coefficient order written by `python run.py calibrate` ({error}). Run the command again, or delete "
                "the file.",
                str(path),
            ) from None


# No publication states the order. The network was trained on iPhone
# recordings, so Apple's own order is the best guess.
ASSUMED_ORDER = CoefficientOrder(
    LIVE_LINK_51, "assumed: the column order of Live Link Face without tongueOut"
)


def network_order(path: str | os.PathLike | None = None) -> CoefficientOrder:
    """Return the calibrated order in the file `path`; None = the assumed order."""
    return CoefficientOrder.load(path) if path else ASSUMED_ORDER


def to_network_order(coefficients: np.ndarray, order: CoefficientOrder = ASSUMED_ORDER) -> np.ndarray:
    """Reorder (F, 51) from the order of ARKIT_51 to the order of the official networks."""
    _check_width(coefficients)
    return coefficients[..., [ARKIT_51.index(name) for name in order.names]]


def from_network_order(raw: np.ndarray, order: CoefficientOrder = ASSUMED_ORDER) -> np.ndarray:
    """Reorder (F, 51) from the order of the official networks to the order of ARKIT_51."""
    _check_width(raw)
    return raw[..., [order.names.index(name) for name in ARKIT_51]]


def experimental_note(order: CoefficientOrder) -> str | None:
    """Return the note for a track whose coefficients have names (are not from the official network); None
    if the order was measured.
    """
    if order.measured:
        return None
    return (
        "Experimental: the order in which the official networks expect the 51 coefficients is an assumption "
        f"({order.provenance.removeprefix('assumed: ')}) until `python run.py calibrate CLIP` has measured it."
    )


def _check_width(coefficients: np.ndarray) -> None:
    if coefficients.shape[-1] != len(ARKIT_51):
        raise TrackError(f"Expected {len(ARKIT_51)} coefficients a frame, got {coefficients.shape[-1]}.")
