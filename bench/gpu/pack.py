"""The bundle of `bench gpu` for a machine without network and without ComfyUI: our tree, ComfyUI's source, missing wheels, run.sh."""

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

MOST = 60_000_000  # bytes of a bundle
LARGEST = (
    1_100_000  # bytes of a file of ComfyUI's that is taken along; larger ones are tokenizers of other models
)
# Folders of ComfyUI that are imported when SD1.5 is loaded and sampled without the server, by a trace of the imports.
COMFY_FOLDERS = (
    "comfy",
    "comfy_api",
    "comfy_config",
    "comfy_execution",
    "comfy_extras",
    "utils",
    "app",
    "middleware",
)
# Folders of ours that the bench imports or reads.
FOLDERS = (
    "bench", "drawn_heads", "face_tools", "host", "nodes", "sk_attention", "systems", "testing", "unet",
    "tests/golden", "tests/manifests",
)  # fmt: skip
LEFT_OUT = ("bench/quality/",)
# Packages that ComfyUI imports and calls and that PyTorch and transformers do not bring along; trampoline is torchsde's own.
WHEELS = ("psutil", "Pillow", "torchsde", "trampoline", "comfy-aimdo", "comfy-kitchen")
PURE = {
    "comfy-kitchen"
}  # its compiled wheel is as large as the bundle may be, and only quantised models call that part
PYTHON, GLIBC = "3.12", (39, 35, 34, 31, 28, 27, 24, 17, 12, 5)
RUN = """#!/bin/sh
# All of `bench gpu`, offline; arguments go on to it: sh run.sh --output FOLDER, sh run.sh --device cpu --tiny
here=$(cd "$(dirname "$0")" && pwd)
python=${PYTHON:-$(command -v python3.12 || command -v python3)}
exec "$python" "$here/start.py" "$@"
"""


def pack(folder: Path, wheels: Sequence[str] = WHEELS) -> int:
    """Write the bundle; returns 0 where it is whole and small enough."""
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
    """Files of our tree, relative to it."""
    files = [*ROOT.glob("*.py"), ROOT / "pyproject.toml"]
    for name in FOLDERS:
        files += (
            path for path in (ROOT / name).rglob("*") if path.is_file() and "__pycache__" not in path.parts
        )
    relative = sorted(path.relative_to(ROOT) for path in files)
    return [path for path in relative if not path.as_posix().startswith(LEFT_OUT)]


def _theirs(comfy: Path) -> list[Path]:
    """Files of ComfyUI's source, relative to it."""
    files = [path for name in COMFY_FOLDERS for path in (comfy / name).rglob("*") if path.is_file()]
    files += comfy.glob("*.py")
    small = (path for path in files if path.stat().st_size < LARGEST and "__pycache__" not in path.parts)
    return sorted(path.relative_to(comfy) for path in small)


def _zip(target: Path, root: Path, files: Iterable[Path]) -> None:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in files:
            archive.write(root / path, path.as_posix())


def _download(name: str, comfy: Path, folder: Path) -> bool:
    """Get a wheel for PYTHON on Linux in the version that ComfyUI asks for; False where ComfyUI needs it and it cannot be had."""
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
