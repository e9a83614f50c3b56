"""Results of `bench gpu`: a JSON file, rewritten with its page at every row: a stopped run loses nothing."""

from __future__ import annotations

import json
import os
import time
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from ...errors import CommandError
from ...face_tools.atomic_write import written
from .page import page
from .sections import SECTIONS

JSON, PAGE = "gpu.json", "gpu.html"
RUNNING, DONE, CUT_SHORT, FAILED = "running", "done", "cut short", "failed"
NOT_RUN, STOPPED = "not run", "stopped"  # STOPPED: its process was killed together with the command
ENDED = (DONE, CUT_SHORT, FAILED)
NEEDS_CUDA = "needs CUDA"  # the value of a figure that only a GPU can give
Item = TypeVar("Item")


class Results:
    """The results in a folder; `machine` describes the machine on which they were measured."""

    def __init__(self, folder: Path):
        self.folder, self.data = folder, {"machine": {}, "sections": {}}
        self.reload()

    def reload(self) -> None:
        """Read the results that another process has written."""
        if (path := self.folder / JSON).is_file():
            self.data = json.loads(path.read_text(encoding="utf-8"))

    def begin(self, **setting: str) -> None:
        """Start a run or continue one. Raises CommandError if the folder holds results of another setting."""
        found = {name: self.data["machine"].get(name, value) for name, value in setting.items()}
        if found != setting:
            raise CommandError(
                f"{self.folder} holds results of {found}, and this is {setting}: give another --output."
            )
        self.data["machine"] = setting | self.data["machine"]
        for section in self.data["sections"].values():
            if section["state"] == RUNNING:
                section["state"] = STOPPED
        self.save()

    def save(self) -> None:
        """Write the JSON and the page."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for name, text in ((JSON, json.dumps(self.data, indent=1)), (PAGE, page(self.data))):
            with written(self.folder / name) as file:
                file.write(text.encode())

    def state(self, name: str) -> str:
        """Return the state of a section."""
        return self.data["sections"].get(name, {}).get("state", NOT_RUN)

    def started(self, name: str) -> float:
        """Return when a section was started, in seconds since 1970; 0 if never."""
        return self.data["sections"].get(name, {}).get("started", 0.0)

    def finish(self, name: str, state: str, *notes: str) -> None:
        """Set the state of a section, and add notes to it."""
        section = self.data["sections"].setdefault(name, _empty(name))
        section["state"], section["seconds"] = state, round(time.time() - section["started"], 1)
        section["notes"] += notes
        self.save()


def _empty(name: str) -> dict[str, Any]:
    started = time.time()
    return {
        "title": SECTIONS[name].title,
        "state": RUNNING,
        "started": started,
        "seconds": 0,
        "tables": {},
        "bars": {},
        "notes": [],
        "faults": [],
    }


class Section:
    """The results of the running section. seconds: its time limit."""

    def __init__(self, results: Results, name: str, seconds: float):
        self.results, self.name, self.left_out = results, name, []
        self.record = results.data["sections"][name] = _empty(name)
        self.end, self._parent = time.monotonic() + seconds, os.getppid()
        results.save()

    def row(self, table: str, **values: Any) -> None:
        """Add a row; values: column -> number, text, True (passed) or False (failed)."""
        self.record["tables"].setdefault(table, []).append(values)
        self._save()

    def bars(self, title: str, unit: str, bar: str, parts: dict[str, float]) -> None:
        """Add a bar to a chart of stacked bars; parts: name -> value."""
        self.record["bars"].setdefault(title, {"unit": unit, "bars": {}})["bars"][bar] = parts
        self._save()

    def note(self, text: str) -> None:
        """Add a line of text."""
        self.record["notes"].append(text)
        self._save()

    @contextmanager
    def attempt(self, what: str) -> Iterator[None]:
        """Catch an exception, and keep its traceback in the results."""
        try:
            yield
        except Exception:
            self.record["faults"].append({"what": what, "traceback": traceback.format_exc()})
            traceback.print_exc()
            self._save()

    def within_budget(self, items: Iterable[Item]) -> Iterator[Item]:
        """Yield items until the time limit is reached; the first one always."""
        for k, item in enumerate(items):
            if k and time.monotonic() > self.end:
                self.left_out.append(str(item))
            else:
                yield item

    def close(self) -> None:
        """Set the state of a section that has ended."""
        state = DONE
        if self.left_out:
            self.note(f"The time was up: {', '.join(self.left_out)} not measured.")
            state = CUT_SHORT
        self.results.finish(self.name, FAILED if self.record["faults"] else state)

    def _save(self) -> None:
        if os.getppid() != self._parent:  # the command was killed, so nobody waits for the results
            raise CommandError("The command that started this process has ended.")
        self.results.save()
