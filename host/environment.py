"""The virtual environment of `run.py`: created once outside the checkout,
filled from pinned lists, verified by a stamp.

Standard library only.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import venv
from pathlib import Path

from ..errors import CommandError

ROOT = Path(__file__).resolve().parent.parent
PINS = ROOT / "requirements-dev.txt"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sk-portrait"
NAMED = "SK_PORTRAIT_ENV"  # the variable that names the environment; set for every process that runs in it


def python(folder: Path) -> Path:
    """Return the interpreter of a virtual environment."""
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def inside() -> bool:
    """Whether this process already runs in the environment."""
    return (
        NAMED in os.environ and Path(sys.prefix).resolve() == Path(os.environ[NAMED]).expanduser().resolve()
    )


def folder_for(comfy: Path | None, kind: str = "env") -> Path:
    """Return the folder of the environment.

    Each version of ComfyUI has its own, because their packages exclude each other.
    """
    file = comfy and comfy / "comfyui_version.py"
    version = re.search(r'__version__ = "([^"]+)"', file.read_text()) if file and file.is_file() else None
    return CACHE / (f"{kind}-{version[1]}" if version else kind)


def _digest(requirements: bytes) -> str:
    version = ".".join(map(str, sys.version_info[:2]))
    return hashlib.sha256(version.encode() + requirements).hexdigest()


def ensure(comfy: Path | None) -> Path:
    """Create or reuse the environment, with ComfyUI's own
    requirements if there is one; return its interpreter.
    """
    folder = Path(os.environ[NAMED]).expanduser() if os.environ.get(NAMED) else folder_for(comfy)
    os.environ[NAMED] = str(folder)
    return fill(folder, [PINS] + ([comfy / "requirements.txt"] if comfy else []))


def fresh(comfy: Path) -> Path:
    """Return the interpreter of a user's environment: matching PyTorch
    packages, ComfyUI's requirements and the pack's.
    """
    torch = re.findall(r"^torch.*$", PINS.read_text(encoding="utf-8"), re.MULTILINE)
    lists = [comfy / "requirements.txt", ROOT / "requirements.txt"]
    interpreter = fill(folder_for(comfy, "fresh"), lists, *torch)
    subprocess.check_call([str(interpreter), str(ROOT / "install.py")])
    return interpreter


def fill(folder: Path, lists: list[Path], *packages: str) -> Path:
    """Create or reuse a virtual environment with these
    requirements files and packages; return its interpreter.

    pip runs only if the stamp lacks one of the files. Raises CommandError if pip fails.
    """
    stamp = folder / "sk-portrait.stamp"
    wanted = {_digest(path.read_bytes()) for path in lists} | {
        _digest(package.encode()) for package in packages
    }
    if stamp.exists() and wanted <= set(stamp.read_text().split()):
        return python(folder)
    if not python(folder).exists():
        print(f"Making the environment {folder}", flush=True)
        venv.create(folder, with_pip=True)
    print(
        f"Installing {', '.join(str(path) for path in lists)} into {folder} (once; gigabytes the first time)",
        flush=True,
    )
    options = [word for path in lists for word in ("-r", str(path))]
    # ComfyUI 0.3.64 imports requests without listing it.
    command = [
        str(python(folder)),
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        *options,
        *packages,
        "requests",
    ]
    if subprocess.call(command):
        raise CommandError(
            f"pip could not install {', '.join(path.name for path in lists)} into {folder}; its message stands above."
        )
    stamp.write_text("\n".join(sorted(wanted)) + "\n")
    return python(folder)
