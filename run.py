"""SK Portrait's commands, each of which does its own set-up and can be run again:

    python run.py demo  [--reference FILE] [--driver FILE] [--frames N] [--size N] [--steps N] [--output DIR]
    python run.py test  [pytest arguments]
    python run.py serve [ComfyUI arguments]
    python run.py bench NAME [arguments]
    python run.py calibrate CLIP [arguments]
    python run.py train PART [arguments]     (data, portrait, motion, world or widen)
    python run.py theatre [--seed N] [--frames N] [--size N] [--output DIR]
    python run.py graphs                     (write workflows/ and subgraphs/)
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
from pathlib import Path

ROOT = Path(__file__).resolve().parent
PACK = "sk_portrait"
COMMANDS = ("demo", "test", "serve", "bench", "calibrate", "theatre", "train", "graphs", "convert", "farm")


def load_pack():
    """Register the repository root as the package `sk_portrait`, as ComfyUI does under another name. Safe to repeat."""
    if PACK not in sys.modules:
        spec = importlib.util.spec_from_file_location(PACK, ROOT / "__init__.py", submodule_search_locations=[str(ROOT)])
        module = sys.modules[PACK] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return sys.modules[PACK]


def tool(name: str):
    """A developer module of the pack, such as `host.installation`."""
    load_pack()
    return importlib.import_module(f"{PACK}.{name}")


def test(arguments: list[str]) -> int:
    """Lint, then the tests; the last line printed is pytest's. Unless arguments say what to test, all of it."""
    import pytest

    os.chdir(ROOT)
    lint = subprocess.call([sys.executable, "-m", "ruff", "check", "."])
    return int(pytest.main(arguments)) or lint


def bench(arguments: list[str]) -> int:
    benches = tool("bench").BENCHES
    if not arguments or arguments[0] not in benches:
        print("Usage: python run.py bench NAME [arguments], where NAME is one of:\n")
        print("\n".join(f"    {name:17} {line}" for name, (_, line) in benches.items()))
        return 2
    return tool(f"bench.{benches[arguments[0]][0]}").main(arguments[1:])


def hand_over(python: Path, arguments: list[str]) -> int:
    """Run this file again in the environment: in place of this process where the system can do that."""
    command = [str(python), str(ROOT / "run.py"), *arguments]
    if os.name != "nt":
        os.execv(command[0], command)
    return subprocess.call(command)


def interrupt(*_):
    """A terminated command leaves as an interrupted one does: through its `finally` blocks, which stop the server."""
    raise KeyboardInterrupt


def main(arguments: list[str]) -> int:
    if not arguments or arguments[0] not in COMMANDS:
        print(__doc__)
        return 2
    environment, host = tool("host.environment"), tool("host.installation")
    if not environment.inside():
        comfy = host.find_or_install()
        os.environ["COMFYUI_PATH"] = str(comfy or "none")
        return hand_over(environment.ensure(comfy), arguments)
    signal.signal(signal.SIGTERM, interrupt)
    command, rest = arguments[0], arguments[1:]
    own = {
        "test": test,
        "bench": bench,
        "calibrate": lambda rest: tool("authoring.calibrate").main(rest),
        "train": lambda rest: tool("train.command").main(rest),
        "farm": lambda rest: tool("farm.command").main(rest),
    }
    return own[command](rest) if command in own else tool(f"demo.{command}").main(rest)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
