"""The pack beside everything else: one row a combination, what must be true of it, and how far it is from a truth computed another way.

python run.py bench compose [--only TEXT] [--list]

Narrow weights by a rule on the real host. Rows with other packs run where SK_PORTRAIT_PEERS names a folder that holds their clones,
and say so where it does not; so do rows that an old host cannot do.
"""

from __future__ import annotations

import argparse
import functools
import tempfile
from collections.abc import Callable, Iterator
from typing import NamedTuple

from ..host.installation import enter, find

TOLERANCE = 1e-4  # of the largest value; batches of other sizes differ in the last bits, and a sampler adds them up
SYSTEM_TOLERANCE = 1e-5  # of each of our systems, however the host batches its rows
HALF_TOLERANCE = 2e-2  # of a run in bf16 or fp16 against fp32


class Row(NamedTuple):
    """`error` is relative to the largest value: infinite where the run ended with the message `why`, None where the row cannot be had
    here, for the reason `why`."""

    combination: str
    must: str
    error: float | None
    why: str = ""
    tolerance: float = TOLERANCE

    @property
    def failed(self) -> bool:
        return self.error is not None and not self.error <= self.tolerance

    def __str__(self) -> str:
        verdict = "absent" if self.error is None else "FAIL" if self.failed else "pass"
        error = "" if self.error is None else f"{self.error:.1e}"
        return f"{self.combination:52} {self.must:44} {error:>8}  {verdict}  {self.why}".rstrip()


class Case(NamedTuple):
    """What a row is computed by: the error, of a Lab, and the most that it may be."""

    error_of: Callable
    tolerance: float = TOLERANCE


def table() -> dict[tuple[str, str], Case]:
    """Every row: (combination, what must be true) -> its case. Needs the host in this process."""
    from . import compose_pairs, compose_peers, compose_systems
    from .compose_frames import HOST_WINDOWS, IN_HOST_WINDOWS, MUST, OTHER_ORDER, WORN, in_host_windows, in_other_order
    from .compose_picture import PICTURE
    from .compose_runs import HALVES, RUNS, SAMPLERS

    wears = WORN | compose_systems.ALONE | compose_systems.WORN | compose_peers.WORN
    tried = [(worn, must, truth) for worn in wears for must, truth in MUST.items()]
    tried += [(worn, HOST_WINDOWS, in_host_windows) for worn in (*IN_HOST_WINDOWS, *compose_systems.ALONE, *compose_peers.WORN)]
    tried += [(worn, OTHER_ORDER, in_other_order) for worn in ("Apply alone", *compose_systems.ALONE)]
    frames = {
        (worn, must): Case(
            functools.partial(truth, wear=wears[worn]), SYSTEM_TOLERANCE if worn in compose_systems.ALONE else TOLERANCE
        )
        for worn, must, truth in tried
    }
    runs = RUNS | PICTURE | compose_pairs.RUNS | compose_peers.RUNS | SAMPLERS
    halves = {names: Case(error_of, HALF_TOLERANCE) for names, error_of in HALVES.items()}
    return frames | {names: Case(error_of) for names, error_of in runs.items()} | halves


def judge(names: tuple[str, str], case: Case, lab) -> Row:
    """The row of one entry of the table."""
    from .compose_lab import Absent

    try:
        return Row(*names, case.error_of(lab), tolerance=case.tolerance)
    except Absent as reason:
        return Row(*names, None, str(reason))
    except Exception as error:  # a combination may break anywhere in the host, and the table goes on
        return Row(*names, float("inf"), f"{type(error).__name__}: {error}")


def rows(only: str = "") -> Iterator[Row]:
    """The rows whose text contains `only`, one after the other."""
    from .compose_lab import Lab

    lab = Lab()
    for names, case in table().items():
        if only in " ".join(names):
            yield judge(names, case, lab)


def tell(rows: Iterator[Row]) -> int:
    """Print rows as they come, then how many passed -> what the command leaves with."""
    count = failed = 0
    for row in rows:
        print(row, flush=True)
        count += row.error is not None
        failed += row.failed
    print(f"{count - failed} passed, {failed} failed")
    return 1 if failed or not count else 0


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="run.py bench compose", description=__doc__)
    parser.add_argument("--only", default="", help="rows whose text contains this")
    parser.add_argument("--list", action="store_true", help="print the rows without trying them")
    options = parser.parse_args(argv)
    comfy = find()
    if comfy is None:
        raise SystemExit("bench compose needs ComfyUI, which was not found; COMFYUI_PATH names its folder.")
    enter(comfy, tempfile.mkdtemp())
    if options.list:
        print("\n".join(f"{combination}: {must}" for combination, must in table()))
        return 0
    return tell(rows(options.only))
