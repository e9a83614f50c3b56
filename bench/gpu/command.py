"""What only a GPU can show, in one run: parity, time, memory, synchronisations, whole clips.

Under eight minutes on a data-centre card.

python run.py bench gpu [--device cpu --tiny] [--only SECTION ...] [--again] [--output DIR] [--minutes 8]
python run.py bench gpu --pack DIR
    (all that a machine without network and without ComfyUI needs; then `sh DIR/run.sh`)

DIR holds gpu.json and gpu.html, which are rewritten at every row: if the run is stopped nothing is lost, and
the same command continues with the sections that are not done. A section that fails is reported with its
traceback, and the run continues with the next one. `--device cpu --tiny` runs the same code with tiny
networks; figures that only a GPU can give are then shown as "needs CUDA".
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ...host.environment import ROOT
from ..options import bench_parser
from .results import Results
from .sections import MINUTES, SECTIONS

DEVICES = ("cuda", "cpu")


def main(argv: list[str]) -> int:
    parser = bench_parser("gpu", __doc__)
    parser.add_argument("--device", choices=DEVICES, default="cuda", help="where to measure")
    parser.add_argument("--tiny", action="store_true", help="tiny networks and clips")
    parser.add_argument("--only", nargs="+", choices=SECTIONS, metavar="SECTION", help=", ".join(SECTIONS))
    parser.add_argument("--again", action="store_true", help="measure sections again that are done")
    parser.add_argument("--output", type=Path, help="(default: output/gpu, or output/gpu-cpu)")
    parser.add_argument("--minutes", type=float, default=MINUTES, help="for all sections")
    parser.add_argument("--pack", type=Path, metavar="DIR", help="write the bundle and measure nothing")
    parser.add_argument("--worker", type=float, metavar="UNTIL", help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.pack:
        from .pack import pack

        return pack(options.pack)
    options.output = options.output or ROOT / "output" / ("gpu" if options.device == "cuda" else "gpu-cpu")
    if options.worker:
        from .worker import work

        return work(options)
    from .supervisor import supervise

    return supervise(options, Results(options.output.absolute()))
