"""Whether pip finds versions that suit all packs: `python run.py bench packs PACK_FOLDER [PACK_FOLDER ...]`.

The environment is new, and holds ComfyUI's requirements and ours. Pip resolves both lists together with those
of each other pack (requirements.txt in its folder), then with MediaPipe's last release that includes a face
mesh, and then with all of them. It installs nothing.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from pathlib import Path

from ...host import environment, installation
from ..options import bench_parser
from ..verdict import row, verdict

MEDIAPIPE = "mediapipe==0.10.21"
# Packages that other packs pin; a row lists those that would be replaced.
TOLD = ("numpy", "opencv-python", "transformers", "torch")


def main(argv: list[str]) -> int:
    """Print one row for each, and at last how many passed. Returns 1 if pip found a conflict."""
    parser = bench_parser("packs", __doc__)
    parser.add_argument("packs", nargs="+", type=Path, metavar="PACK_FOLDER")
    given, comfy = parser.parse_args(argv), installation.find()
    if comfy is None:
        print("This needs ComfyUI: its requirements are what the packs share.")
        return 1
    python = environment.fresh(comfy)
    beside = {folder.resolve().name: ["-r", str(folder / "requirements.txt")] for folder in given.packs} | {
        MEDIAPIPE: [MEDIAPIPE]
    }
    beside["all of them"] = [word for words in beside.values() for word in words]
    return verdict([_row(python, comfy, name, words) for name, words in beside.items()])


def _row(python: Path, comfy: Path, name: str, words: list[str]) -> bool:
    lists = [
        word for folder in (comfy, environment.ROOT) for word in ("-r", str(folder / "requirements.txt"))
    ]
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        options = ["--dry-run", "--quiet", "--disable-pip-version-check", "--report", str(report)]
        ran = subprocess.run(
            [python, "-m", "pip", "install", *options, *lists, *words], capture_output=True, text=True
        )
        chosen = json.loads(report.read_text(encoding="utf-8"))["install"] if ran.returncode == 0 else []
    new = {entry["metadata"]["name"].lower(): entry["metadata"]["version"] for entry in chosen}
    told = ", ".join(f"{package} {new[package]}" for package in TOLD if package in new)
    said = f"no conflict; pip adds or replaces {len(new)} packages{f' ({told})' if told else ''}"
    errors = [line for line in ran.stderr.splitlines() if "ERROR" in line or "conflict" in line]
    fits = ran.returncode == 0
    return row(fits, f"beside {name}: {said if fits else ' '.join(errors)}")
