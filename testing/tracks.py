"""Face tracks and recordings with fixed numbers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from ..face_tools.coefficients import ARKIT_51, LIVE_LINK_51
from ..face_tools.track import POINTS, FaceTrack


def track_of(
    count: int = 4, scheme: str = "mediapipe478", coefficients: bool = True, seed: int = 0
) -> FaceTrack:
    """Return a track of random numbers with faces in the middle of 640 x 480 frames."""
    rng = np.random.default_rng(seed)
    landmarks = rng.random((count, POINTS[scheme], 3 if scheme == "mediapipe478" else 2)) * 100 + 200
    return FaceTrack(
        source="test",
        scheme=scheme,
        fps=25.0,
        size=(640, 480),
        valid=np.ones(count, bool),
        box=np.tile(np.float32([200, 200, 300, 300]), (count, 1)),
        landmarks=landmarks.astype(np.float32),
        rotation=rng.normal(0, 0.2, (count, 3)).astype(np.float32),
        translation=np.tile(np.float32([0, 0, -5]), (count, 1)),
        coefficients=rng.random((count, 51)).astype(np.float32) if coefficients else None,
    )


def take(folder: Path, rows: int = 90, extra: str = "", value: str = "0.5") -> Path:
    """Write a CSV file of Live Link Face at 30 fps. extra: appended to every row."""
    header = ",".join(["Timecode", "BlendShapeCount", *LIVE_LINK_51])
    lines = [f"10:00:0{k // 30}:{k % 30:02}.0,54," + ",".join([value] * 51) + extra for k in range(rows)]
    (folder / "take.csv").write_text("\n".join([header, *lines]))
    return folder / "take.csv"


def performance(folder: Path, step: float = 1 / 30) -> Path:
    """Write a JSON file of ARKit coefficients with 30 frames, `step` seconds apart."""
    frames = [{"time": k * step, "blendShapes": dict.fromkeys(ARKIT_51, 0.5)} for k in range(30)]
    (folder / "take.json").write_text(json.dumps(frames))
    return folder / "take.json"
