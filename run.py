"""SK Portrait's commands, each of which does its own set-up and can be run again:

    python run.py demo  [--reference FILE] [--driver FILE] [--frames N] [--size N] [--steps N] [--output DIR]
    python run.py test  [--fast] [pytest arguments]      (-m slow: what takes long; --golden DIR: other reference tensors)
    python run.py serve [ComfyUI arguments]
    python run.py bench NAME [arguments]
    python run.py calibrate CLIP [arguments]
    python run.py train PART [arguments]     (data, portrait, motion, controlnet-sk, faceid-sk, sk-text, world, widen or expression)
    python run.py drawn_heads [--seed N] [--frames N] [--size N] [--output DIR]
    python run.py graphs                     (write workflows/ and subgraphs/)
    python run.py pictures NAME              (write thumbnails and pictures of the documentation)
    python run.py evaluate RESULTS --truth TRUTH [--reference PORTRAITS] [--driver DRIVERS]     (FID, FVD, APD, AED, ...)
    python run.py farm WORKFLOW [--frames N] [--address CLUSTER | --servers HOST:PORT,...]     (one clip on many machines)
    python run.py convert OFFICIAL.json      (a workflow of the official HelloMeme pack as one of ours)

COMFYUI_PATH names the ComfyUI to use (`none`: pretend there is none), SK_PORTRAIT_ENV the virtual environment (by default one
for each version of ComfyUI).
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent
PACK = "sk_portrait"
FAST = "--fast"  # of `test`: under three minutes, and no ComfyUI
CHECKS = (("ruff", "check", "."), ("ruff", "format", "--check", "--quiet", "."))
MOST = 4  # processes of the whole suite: each holds torch and a ComfyUI server, some 3 GB


def load_pack():
    """Register the repository root as the package `sk_portrait`; ComfyUI does so under another name."""
    if PACK not in sys.modules:
        spec = importlib.util.spec_from_file_location(
            PACK, ROOT / "__init__.py", submodule_search_locations=[str(ROOT)]
        )
        module = sys.modules[PACK] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return sys.modules[PACK]


def tool(name: str):
    """A developer module of the pack, such as `host.installation`."""
    load_pack()
    return importlib.import_module(f"{PACK}.{name}")


def check_types() -> int:
    """Run pyright on the packages that pyproject.toml names.

    Returns 0 if it is not installed, or has no Node.js and cannot fetch it.
    """
    if importlib.util.find_spec("pyright") is None:
        return 0
    pyright = [sys.executable, "-m", "pyright"]
    if subprocess.run([*pyright, "--version"], capture_output=True).returncode:
        print("pyright found no Node.js and could not fetch it: types are not checked.", flush=True)
        return 0
    return subprocess.call([*pyright, "--pythonpath", sys.executable])


def test(arguments: list[str]) -> int:
    """Fetch the real faces, lint, check types and run the tests, whose last line is printed last.

    Without arguments the slow tests are left out.
    """
    import pytest

    os.chdir(ROOT)
    tool("material").fetch_all()
    lint = [subprocess.call([sys.executable, "-m", *check]) for check in CHECKS] + [check_types()]
    if not any(Path(one.partition("::")[0]).exists() for one in arguments):
        arguments = ["-n", str(min(os.cpu_count() or 1, MOST)), "--dist", "loadfile", *arguments]
    if FAST in arguments:
        os.environ["COMFYUI_PATH"] = "none"
        arguments = ["-m", "not slow and not comfy and not long", *(one for one in arguments if one != FAST)]
    return int(pytest.main(["-c", "pyproject.toml", *arguments])) or max(lint)


def one_of(package: str, table: str, arguments: list[str]) -> int:
    """Run the command of a package's table that `arguments` names; without a known name, list the table."""
    choices = getattr(tool(package), table)
    if not arguments or arguments[0] not in choices:
        print("NAME is one of:")
        print("\n".join(f"    {name:17} {line}" for name, (_, line) in choices.items()))
        return 2
    return tool(f"{package}.{choices[arguments[0]][0]}").main(arguments[1:])


def hand_over(python: Path, arguments: list[str]) -> int:
    """Run this file again in the environment: in place of this process where the system can do that."""
    command = [str(python), str(ROOT / "run.py"), *arguments]
    if os.name != "nt":
        os.execv(command[0], command)
    return subprocess.call(command)


def interrupt(*_):
    """Treat termination as Ctrl-C, so that `finally` blocks stop the server."""
    raise KeyboardInterrupt


def main(arguments: list[str]) -> int:
    if not arguments or arguments[0] not in COMMANDS:
        print(__doc__)
        return 2
    environment, host = tool("host.environment"), tool("host.installation")
    if not environment.inside():
        comfy = host.find() if FAST in arguments else host.find_or_install()
        os.environ["COMFYUI_PATH"] = str(comfy or "none")
        return hand_over(environment.ensure(comfy), arguments)
    signal.signal(signal.SIGTERM, interrupt)
    try:
        return COMMANDS[arguments[0]](arguments[1:])
    except tool("errors").SKPortraitError as error:
        print(error, file=sys.stderr)
        return 1


def module(name: str) -> Callable[[list[str]], int]:
    """The `main` of a developer module, imported when it is called."""
    return lambda arguments: tool(name).main(arguments)


COMMANDS = {
    "demo": module("demo.demo"),
    "test": test,
    "serve": module("demo.serve"),
    "bench": lambda arguments: one_of("bench", "BENCHES", arguments),
    "calibrate": module("authoring.calibrate"),
    "train": module("train.command"),
    "drawn_heads": module("demo.drawn_heads"),
    "graphs": module("authoring.graphs"),
    "pictures": lambda arguments: one_of("authoring", "PICTURES", arguments),
    "evaluate": module("evaluate.command"),
    "farm": module("farm.command"),
    "convert": module("authoring.convert"),
}


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
