"""Finds ComfyUI, or installs it with the official comfy-cli, or explains that it is missing.

Standard library only.

`COMFYUI_PATH=none` means "there is no ComfyUI": everything that can then runs on the diffusers backend.
"""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import venv
from pathlib import Path

from ..errors import CommandError, MissingFileError
from . import environment

VERSION = "0.33.0"
REPOSITORY = "https://github.com/comfyanonymous/ComfyUI"
OWN_COPY = environment.CACHE / "ComfyUI"

ABSENT = """ComfyUI is not on this machine and could not be installed ({reason}). Three ways out: (1) set COMFYUI_PATH to a
ComfyUI folder, the one with main.py; (2) put ComfyUI into ~/comfy/ComfyUI, for example with `git clone
https://github.com/comfyanonymous/ComfyUI ~/comfy/ComfyUI`; (3) put this folder into the custom_nodes of a ComfyUI
that you have. Until then everything that can do so runs on the diffusers backend (diffusers), which is for trying the
networks and for scripts; artists use ComfyUI.
"""


def is_comfy(folder: Path) -> bool:
    return (folder / "main.py").is_file() and (folder / "comfy").is_dir()


def find() -> Path | None:
    """Return the ComfyUI folder: COMFYUI_PATH, the one around this pack, ~/comfy/ComfyUI, or the one that
    run.py installed; None if there is none.
    """
    named = os.environ.get("COMFYUI_PATH", "")
    if named.lower() == "none":
        return None
    if named:
        folder = Path(named).expanduser().absolute()
        if not is_comfy(folder):
            raise CommandError(
                f"COMFYUI_PATH is {named}, where there is no ComfyUI (main.py); COMFYUI_PATH=none runs without one."
            )
        return folder
    # Not resolved: a pack linked into custom_nodes belongs to the ComfyUI with the link.
    here = Path(os.path.abspath(__file__)).parent.parent
    enclosing = [here.parent.parent] if here.parent.name == "custom_nodes" else []
    return next(filter(is_comfy, [*enclosing, Path.home() / "comfy" / "ComfyUI", OWN_COPY]), None)


def find_or_end() -> Path:
    """As `find`; ends the command with a message if there is no ComfyUI."""
    folder = find()
    if folder is None:
        raise CommandError("This bench needs ComfyUI, which was not found; COMFYUI_PATH names its folder.")
    return folder


def find_or_install() -> Path | None:
    """As `find`, but tries comfy-cli if nothing is found; if that fails too, prints what the user can do."""
    folder = find()
    if folder is None and os.environ.get("COMFYUI_PATH", "").lower() == "none":
        print("COMFYUI_PATH=none: running without ComfyUI, on the diffusers backend.", flush=True)
        return None
    if folder is None:
        try:
            folder = _install()
        except (OSError, subprocess.SubprocessError) as error:
            print(textwrap.fill(ABSENT.format(reason=_reason(error)), 120), flush=True)
    return folder


def _install() -> Path:
    quiet = {"check": True, "capture_output": True, "text": True, "stdin": subprocess.DEVNULL}
    # Checked first, because it fails within seconds; comfy-cli would first
    # install itself and then fail in the same way.
    subprocess.run(["git", "ls-remote", REPOSITORY, "HEAD"], timeout=30, **quiet)
    print(f"Installing ComfyUI {VERSION} into {OWN_COPY} with comfy-cli", flush=True)
    tool = environment.CACHE / "comfy-cli"
    venv.create(tool, with_pip=True)
    subprocess.run([environment.python(tool), "-m", "pip", "install", "--quiet", "comfy-cli"], **quiet)
    # Its packages are installed into our environment with the pinned
    # torch, so comfy-cli fetches only the program.
    options = [
        "--version",
        VERSION,
        "--skip-manager",
        "--skip-torch-or-directml",
        "--skip-requirement",
        "--cpu",
    ]
    program = environment.python(tool).with_name("comfy")
    subprocess.run(
        [program, "--skip-prompt", f"--workspace={OWN_COPY}", "install", *options], timeout=900, **quiet
    )
    if not is_comfy(OWN_COPY):
        raise MissingFileError(f"comfy-cli left no main.py in {OWN_COPY}", str(OWN_COPY))
    return OWN_COPY


def _reason(error: Exception) -> str:
    text = (getattr(error, "stderr", None) or str(error)).strip() or type(error).__name__
    return text.splitlines()[-1]


def enter(comfy: Path | str, base: Path | str) -> None:
    """Make `import comfy`, `nodes` and `folder_paths` of this ComfyUI work in
    this process, with `base` as its base directory.

    Uses the CPU if there is no CUDA device. Must be called before anything imports comfy.
    """
    import torch

    sys.pycache_prefix = sys.pycache_prefix or str(environment.CACHE / "pycache")
    if str(comfy) not in sys.path:
        sys.path.insert(0, str(comfy))
    from comfy.cli_args import args

    args.cpu = not torch.cuda.is_available()
    args.base_directory = str(base)
    import utils.extra_config  # noqa: F401  (as main.py does before `nodes`: 0.3.64's puts comfy/, with its own utils, before it)
