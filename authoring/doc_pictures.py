"""Writes the pictures of a help page."""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np

PICTURES = Path(__file__).parent.parent / "web" / "docs" / "pictures"


def write(pictures: dict[str, np.ndarray], argv: list[str]) -> int:
    """Write pictures (H, W, 3) uint8 RGB by name as JPEG, and
    print their paths. --output names another folder.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("--output", type=Path, default=PICTURES)
    output = parser.parse_args(argv).output
    for name, picture in pictures.items():
        path = output / f"{name}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 86])
        print(path)
    return 0
