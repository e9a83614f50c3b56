"""A fault, how it is judged, and the tables that the files of faults fill."""

from __future__ import annotations

import linecache
import re
import tempfile
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..host.environment import ROOT

OURS = tuple(str(ROOT / name) for name in ("nodes", "systems", "sk_attention", "unet", "face_tools", "drawn_heads"))
WORKS = "nothing: it works"


class Lost(Exception):
    """Something of the artist's was lost; the message says what."""


@dataclass(frozen=True)
class Fault:
    """What is wrong, and the attack that brings it about in an empty folder: it returns what the user reads, or raises it.

    reads: pattern of what must be read
    host:  True where it needs ComfyUI in this process
    long:  True where it takes more than a second or two, so that only the bench runs it
    """

    name: str
    attack: Callable[[Path], str | None]
    reads: str
    host: bool = False
    long: bool = False


@dataclass(frozen=True)
class Row:
    fault: str
    read: str
    lost: str
    held: bool


class Table(list):
    """Faults of one kind; `@table.fault(name, reads)` adds the attack below it."""

    def __init__(self, **needs: bool):
        super().__init__()
        self._needs = needs

    def fault(self, name: str, reads: str = WORKS, **needs: bool):
        def add(attack: Callable[[Path], str | None]):
            self.append(Fault(name, attack, reads, **(self._needs | needs)))
            return attack

        return add


def keep(fact: object, what: str) -> None:
    """Raise Lost unless the fact holds."""
    if not fact:
        raise Lost(what)


def says(act: Callable[[], object]) -> str:
    """The sentence of ours that an act raises; Lost where it raises none."""
    try:
        act()
    except Exception as error:
        if is_ours(error):
            return str(error)
        raise
    raise Lost("no word was said")


def is_ours(error: BaseException) -> bool:
    """Whether an exception was raised on purpose, in a sentence, by the pack: by a `raise` in one of its files."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    line = linecache.getline(last.filename, last.lineno).strip()
    return last.filename.startswith(OURS) and line.startswith("raise") and " " in str(error)


def judge(fault: Fault) -> Row:
    """Bring the fault about in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        lost = "nothing"
        try:
            read = fault.attack(Path(folder)) or WORKS
        except Lost as error:
            read, lost = "", str(error)
        except Exception as error:
            read = str(error)
            if not is_ours(error):
                place = traceback.extract_tb(error.__traceback__)[-1]
                read = f"RAW {type(error).__name__} at {Path(place.filename).name}:{place.lineno}: {read}"
    read = " ".join(read.replace(folder, "").split())
    return Row(fault.name, read, lost, lost == "nothing" and not read.startswith("RAW") and bool(re.search(fault.reads, read)))
