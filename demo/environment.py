"""The virtual environment of `run.py`: made once outside the checkout, filled from pinned lists, checked by a stamp.

Standard library only.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PINS = ROOT / "requirements-dev.txt"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sk-portrait"
FOLDER = Path(os.environ.get("SK_PORTRAIT_ENV") or CACHE / "env").expanduser()


def python(folder: Path = FOLDER) -> Path:
    """The interpreter of a virtual environment."""
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def inside() -> bool:
    """Does this process already run in the environment?"""
    return FOLDER.exists() and Path(sys.prefix).resolve() == FOLDER.resolve()


def _digest(requirements: Path) -> str:
    version = ".".join(map(str, sys.version_info[:2]))
    return hashlib.sha256(version.encode() + requirements.read_bytes()).hexdigest()


def ensure(comfy: Path | None) -> Path:
    """Make or reuse the environment, with ComfyUI's own requirements where there is one; returns its interpreter.

    pip runs only when the stamp lacks one of the lists; changing the host's version therefore updates the host's packages.
    """
    lists = [PINS] + ([comfy / "requirements.txt"] if comfy else [])
    stamp = FOLDER / "sk-portrait.stamp"
    wanted = {_digest(path) for path in lists}
    if stamp.exists() and wanted <= set(stamp.read_text().split()):
        return python()
    if not python().exists():
        print(f"Making the environment {FOLDER}", flush=True)
        venv.create(FOLDER, with_pip=True)
    print(f"Installing {', '.join(str(path) for path in lists)} into {FOLDER} (once; gigabytes the first time)", flush=True)
    options = [word for path in lists for word in ("-r", str(path))]
    # ComfyUI 0.3.64 imports requests without listing it.
    command = [str(python()), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *options, "requests"]
    if subprocess.call(command):
        raise SystemExit(f"pip could not install the pinned set into {FOLDER}; its message stands above.")
    stamp.write_text("\n".join(sorted(wanted)) + "\n")
    return python()
