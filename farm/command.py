"""Sample one clip on many machines:

python run.py farm WORKFLOW [--frames N | FIRST:LAST]
    [--workers N | --address CLUSTER | --servers HOST:PORT,...] [--output DIR]

WORKFLOW is a saved workflow, or a graph in API format, with one Portrait Video Sampler. Ray is started on
this machine, or joined at the address of a cluster; with --servers, ComfyUI servers that are running sample
the clip in parts. Finished parts are kept in the output folder: the same command again computes the rest.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ..errors import SKPortraitError
from ..face_tools.atomic_write import FileError
from ..host.environment import ROOT
from . import frames, scheduling


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="run.py farm", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("workflow", type=Path)
    parser.add_argument(
        "--frames",
        type=frames.asked,
        help="250: the first 250; 250:499: these, counted from 0 (default: all)",
    )
    parser.add_argument(
        "--workers", type=int, help="workers at most (default: one for each GPU, else one for each machine)"
    )
    parser.add_argument("--address", help="of a Ray cluster: ray://HEAD:10001, HEAD:6379, or auto")
    parser.add_argument(
        "--servers", type=addresses, help="ComfyUI servers that are running, host:port,host:port,..."
    )
    parser.add_argument(
        "--base-directory",
        type=Path,
        help="of ComfyUI: models, input, custom_nodes, ... (default: its own folder)",
    )
    parser.add_argument("--output", type=Path, default=ROOT / "output" / "farm", help="default: %(default)s")
    parser.add_argument(
        "--patience",
        type=float,
        default=scheduling.PATIENCE,
        help="seconds an answer may take (default: %(default).0f)",
    )
    options = parser.parse_args(argv)
    if options.servers and (options.workers or options.address):
        parser.error("--servers takes servers that are running: leave --workers and --address away.")
    try:
        if options.servers:
            from .on_servers import run
        else:
            from .on_ray import run
        run(options)
        return 0
    except FileError as error:
        print(f"farm: {error} What is finished is kept.", file=sys.stderr)
    except OSError as error:
        print(f"farm: {error}. What is finished is kept.", file=sys.stderr)
    except SKPortraitError as error:
        print(f"farm: {error}", file=sys.stderr)
    return 1


def addresses(text: str) -> list[str]:
    """The servers of `--servers`, each once."""
    found = list(dict.fromkeys(filter(None, (address.strip() for address in text.split(",")))))
    if not found:
        raise argparse.ArgumentTypeError("it names no server.")
    return found
