"""How a folder of portraits is warped by the Expression Editor.

`python run.py bench expressions FOLDER [--sheet FILE]` prints for each picture the smallest Jacobian
determinant of the map from the moved picture to the portrait, over all ends of the sliders and pairs of ends.
Above 0 the map neither tears nor folds. --sheet also draws the portraits at the ends.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from ...face_tools.pictures.puppet import Puppet
from ...face_tools.track_errors import TrackError
from ...testing import portraits
from ..options import bench_parser

SIZE, TILE = 512, 224
KINDS = {".jpg", ".jpeg", ".png", ".webp"}
# Shown on the sheet.
PAIRS = ({"jaw": 1.0, "smile": 1.0}, {"yaw": 30.0, "pitch": -30.0}, {"jaw": 1.0, "yaw": -30.0})


def main(argv: list[str]) -> int:
    """Print one row per picture. Returns 1 if one folds."""
    parser = bench_parser("expressions", __doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sheet", type=Path, help="PNG file for the contact sheet")
    given = parser.parse_args(argv)
    folds, rows = 0, []
    print(f"{len(portraits.ENDS)} ends and {len(portraits.PAIRS)} pairs of ends per portrait")
    for path in sorted(path for path in given.folder.iterdir() if path.suffix.lower() in KINDS):
        try:
            puppet = portraits.photograph(np.ascontiguousarray(cv2.imread(str(path))[..., ::-1]), SIZE)
        except TrackError as error:
            print(f"{path.name}: {error}")
            continue
        poses = (*portraits.ENDS, *portraits.PAIRS)
        values = {str(pose): portraits.smallest_jacobian(puppet, pose) for pose in poses}
        worst = min(values, key=values.get)
        folds += values[worst] <= 0
        print(f"{path.name}: smallest Jacobian {values[worst]:.4f} at {worst}", flush=True)
        rows.append(_row(puppet, path.stem))
    if given.sheet and rows:
        cv2.imwrite(str(given.sheet), np.vstack(rows)[..., ::-1])
    return int(folds > 0)


def _row(puppet: Puppet, name: str) -> np.ndarray:
    """Return one portrait at the ends of its sliders, (TILE, TILE * movements, 3)."""
    tiles = []
    for pose in ({}, *portraits.ENDS, *PAIRS):
        drawn = puppet.draw(*portraits.movement(puppet, pose))
        tile = cv2.resize(drawn, (TILE, TILE), interpolation=cv2.INTER_AREA)
        label = " ".join(f"{word} {value:+g}" for word, value in pose.items()) or name
        cv2.putText(tile, label, (4, TILE - 6), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (255, 255, 0), 1, cv2.LINE_AA)
        tiles.append(tile)
    return np.hstack(tiles)
