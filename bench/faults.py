"""What may go wrong in an artist's day: hostile files, odd videos, full disks, cancelled runs. What then is read, and what is lost.

python run.py bench faults [--only TEXT] [--short]

A row holds where the user reads a sentence of ours, or the right result, and nothing is lost. --short leaves out the rows that take
longer than a second or two.
"""

from __future__ import annotations

import argparse
import tempfile
from itertools import chain

from ..host import installation
from . import (
    faults_faces,
    faults_files,
    faults_folders,
    faults_fuzz,
    faults_nodes,
    faults_runs,
    faults_server,
    faults_videos,
    faults_weights,
)
from .fault import Fault, Row, judge

TABLES = (faults_videos, faults_faces, faults_files, faults_weights, faults_folders, faults_nodes, faults_runs, faults_fuzz, faults_server)


def faults() -> list[Fault]:
    """Every fault of every table."""
    return list(chain.from_iterable(table.TABLE for table in TABLES))


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="run.py bench faults", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--only", default="", help="only the faults whose name holds this")
    parser.add_argument("--short", action="store_true", help="only what takes a second or two")
    options = parser.parse_args(argv)
    comfy = installation.find()
    with tempfile.TemporaryDirectory() as base:
        if comfy:
            installation.enter(comfy, base)
            from ..nodes import folders

            folders.register()
        chosen = [fault for fault in faults() if options.only in fault.name and not (options.short and fault.long)]
        there = [fault for fault in chosen if comfy or not fault.host]
        rows = [show(judge(fault)) for fault in there]
    if len(there) < len(chosen):
        print(f"{len(chosen) - len(there)} faults were left out: there is no ComfyUI.")
    failed = sum(not row.held for row in rows)
    print(f"{len(rows) - failed} passed, {failed} failed")
    return int(failed > 0)


def show(row: Row) -> Row:
    print(f"{'held' if row.held else 'FAILED':<6} {row.fault:<52} reads: {row.read:<12} lost: {row.lost}", flush=True)
    return row
