"""Packs `bench gpu` for a machine without network or ComfyUI: our files, ComfyUI's source, missing wheels."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from ...host import installation
from ...host.environment import ROOT

MOST = 60_000_000  # largest size of a bundle in bytes
# Largest size in bytes of a ComfyUI file that is included; larger ones are tokenizers of other models.
LARGEST = 1_100_000
# ComfyUI folders that are imported when SD1.5 is loaded and sampled
# without the server, found by tracing the imports.
COMFY_FOLDERS = (
    "comfy", "comfy_api", "comfy_config", "comfy_execution", "comfy_extras", "utils", "app", "middleware",
)  # fmt: skip
# Our folders that the bench imports or reads.
FOLDERS = (
    "bench", "drawn_heads", "face_tools", "host", "nodes", "sk_attention", "systems", "testing", "unet",
    "tests/golden", "tests/manifests",
)  # fmt: skip
LEFT_OUT = ("bench/quality/",)
# Packages that ComfyUI calls and that neither PyTorch nor transformers
# installs; trampoline is required by torchsde.
WHEELS = ("psutil", "Pillow", "torchsde", "trampoline", "comfy-aimdo", "comfy-kitchen")
# Included without its compiled wheel, which is as large as a bundle
# may be, and which only quantised models need.
PURE = {"comfy-kitchen"}
PYTHON, GLIBC = "3.12", (39, 35, 34, 31, 28, 27, 24, 17, 12, 5)
RUN = """#!/bin/sh
# All of `bench gpu`, offline; arguments go on to it: sh run.sh --output FOLDER, sh run.sh --device cpu --tiny
here=$(cd "$(dirname "$0")" && pwd)
python=${PYTHON:-$(command -v python3.12 || command -v python3)}
exec "$python" "$here/start.py" "$@"
"""


def pack(folder: Path, wheels: Sequence[str] = WHEELS) -> int:
    """Write the bundle. Returns 0 if it is complete and small enough."""
    comfy = installation.find_or_end()
    shutil.rmtree(folder / "wheels", ignore_errors=True)
    (folder / "wheels").mkdir(parents=True, exist_ok=True)
    _zip(folder / "sk_portrait.zip", ROOT, _ours())
    _zip(folder / "comfyui.zip", comfy, _theirs(comfy))
    shutil.copy(Path(__file__).with_name("start.py"), folder / "start.py")
    (folder / "run.sh").write_text(RUN, encoding="utf-8")
    (folder / "run.sh").chmod(0o755)
    absent = [name for name in wheels if not _download(name, comfy, folder / "wheels")]
    size = sum(
        path.stat().st_size for path in folder.rglob("*") if path.is_file() and "unpacked" not in path.parts
    )
    print(f"{folder}: {size / 1e6:.1f} MB, at most {MOST / 1e6:.0f}")
    for name in absent:
        print(f"{name}: no wheel could be had; the bundle needs a machine that has it.")
    return int(size > MOST)


def _ours() -> list[Path]:
    """Return our files, relative to the repository."""
    files = [*ROOT.glob("*.py"), ROOT / "pyproject.toml"]
    for name in FOLDERS:
        files += (
            path for path in (ROOT / name).rglob("*") if path.is_file() and "__pycache__" not in path.parts
        )
    relative = sorted(path.relative_to(ROOT) for path in files)
    return [path for path in relative if not path.as_posix().startswith(LEFT_OUT)]


def _theirs(comfy: Path) -> list[Path]:
    """Return the files of ComfyUI's source, relative to its folder."""
    files = [path for name in COMFY_FOLDERS for path in (comfy / name).rglob("*") if path.is_file()]
    files += comfy.glob("*.py")
    small = (path for path in files if path.stat().st_size < LARGEST and "__pycache__" not in path.parts)
    return sorted(path.relative_to(comfy) for path in small)


def _zip(target: Path, root: Path, files: Iterable[Path]) -> None:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in files:
            archive.write(root / path, path.as_posix())


def _download(name: str, comfy: Path, folder: Path) -> bool:
    """Download a wheel for PYTHON on Linux in ComfyUI's version.

    Returns False if ComfyUI needs it and it is not available.
    """
    wanted = (comfy / "requirements.txt").read_text(encoding="utf-8")
    found = re.search(rf"^{re.escape(name)}\b.*$", wanted, re.MULTILINE | re.IGNORECASE)
    if name.startswith("comfy-") and not found:
        return True  # this ComfyUI does not need it
    platforms = (
        ["any"] if name in PURE else [f"manylinux_2_{n}_x86_64" for n in GLIBC] + ["manylinux2014_x86_64"]
    )
    options = [word for platform in platforms for word in ("--platform", platform)]
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-deps",
        "--only-binary=:all:",
        *options,
    ]
    command += ["--python-version", PYTHON, "--implementation", "cp", "-d", str(folder)]
    return subprocess.call([*command, found[0].strip() if found else name]) == 0
