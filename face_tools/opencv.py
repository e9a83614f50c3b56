"""OpenCV of whichever distribution is installed.

The pack imports it from here: `from ..opencv import cv2`.

Four distributions install the same module `cv2` and overwrite each other, so the pack requires none of them.
`cv2` is imported at first use: without a working OpenCV, only the nodes that need it raise an error.
"""

from __future__ import annotations

import importlib
import sys
from dataclasses import dataclass
from importlib import metadata
from types import ModuleType
from typing import Any

from ..errors import MissingPackageError

DISTRIBUTIONS = (
    "opencv-contrib-python",
    "opencv-contrib-python-headless",
    "opencv-python",
    "opencv-python-headless",
)
USUAL = "opencv-python-headless"  # for an environment without OpenCV: it needs no display libraries
OLDEST = (4, 8)


@dataclass(eq=False)
class OpenCVError(MissingPackageError):
    """OpenCV is missing, too old, or cannot be imported."""

    package: str = "opencv"


class _OpenCV:
    """The module `cv2`, imported when its first attribute is read."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # read by debuggers and copiers, which do not need OpenCV
            raise AttributeError(name)
        value = getattr(load(), name)
        setattr(self, name, value)
        return value


cv2 = _OpenCV()


def load() -> ModuleType:
    """Return the module `cv2`. Raises OpenCVError, which names the command that installs or repairs it."""
    try:
        module = importlib.import_module("cv2")
        # Uninstalling can leave an empty folder, which can be imported and has no version.
        version = module.__version__
    except Exception as error:  # a build for another NumPy raises errors of several kinds
        raise OpenCVError(_message(str(error))) from error
    if tuple(map(int, version.split(".")[:2])) < OLDEST:
        raise OpenCVError(_message(f"version {version} is older than {'.'.join(map(str, OLDEST))}"))
    return module


def installed() -> dict[str, str]:
    """Return {name: version} of the OpenCV distributions in this environment."""
    return {name: version for name in DISTRIBUTIONS if (version := _version(name))}


def pip_command() -> list[str]:
    """Return the command that installs OpenCV, or repairs the installed one, and keeps NumPy's version."""
    pip = ["pip"] if _version("pip") else ["uv", "pip"]
    present, numpy = installed(), _version("numpy")
    name = next(iter(present), USUAL).removesuffix("-headless") + "-headless"
    return [
        *(sys.executable, "-m", *pip, "install"),
        *(["--force-reinstall"] if present else []),
        f"{name}>={'.'.join(map(str, OLDEST))},<6",
        *([f"numpy=={numpy}"] if numpy else []),
    ]


def _message(reason: str) -> str:
    present = ", ".join(f"{name} {version}" for name, version in installed().items())
    state = f"{present} is installed but does not work" if present else "OpenCV is not installed"
    command = " ".join(f'"{word}"' if {" ", "<"} & set(word) else word for word in pip_command())
    return f"{state}: {reason}. Run {command} and restart ComfyUI."


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
