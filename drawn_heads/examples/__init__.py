"""A drawn portrait and a drawn performance with their
exact tracks: the files with which the templates start.
"""

from pathlib import Path

FOLDER = Path(__file__).parent
NAME = "sk_portrait_example_{}"
PERSON = 3  # seed of the person in the portrait


def files() -> list[Path]:
    """Return the paths of every picture, clip and track, sorted by name."""
    return sorted(path for path in FOLDER.iterdir() if path.suffix in {".png", ".mp4", ".npz"})
