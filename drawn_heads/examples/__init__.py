"""A drawn portrait and a drawn performance, with their exact tracks: what the templates begin with."""

from pathlib import Path

FOLDER = Path(__file__).parent
NAME = "sk_portrait_example_{}"
PERSON = 3  # who the portrait shows


def files() -> list[Path]:
    """Every picture, clip and track, by name."""
    return sorted(path for path in FOLDER.iterdir() if path.suffix in {".png", ".mp4", ".npz"})
