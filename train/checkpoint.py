"""The file from which a run is resumed.

It is written completely or not at all, and can be resumed by the same run only.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from ..face_tools.atomic_write import FileError, whole
from .errors import OtherRunError, TrainError

NAME = "checkpoint.pt"


def write_checkpoint(folder: Path, state: Mapping[str, Any]) -> Path:
    """Replace the folder's checkpoint by `state`.

    Raises TrainError if the disk is full; the old checkpoint is then kept.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / NAME
    try:
        with whole(path) as part:
            torch.save(dict(state), part)
    except (FileError, RuntimeError) as error:
        if not any(words in str(error) for words in ("No space left", "file write failed")):
            raise
        kept = "the one before it is whole" if path.exists() else "there is none yet"
        raise TrainError(
            f"There is no room on the disk for the checkpoint {path} ({kept}): make room and run the same command."
        ) from None
    return path


def read_checkpoint(
    folder: Path, run: Mapping[str, Any], device: torch.device | str = "cpu"
) -> dict[str, Any] | None:
    """Return the state to resume from, None if there is none.

    Raises OtherRunError, which names the difference, if it belongs to another run.
    """
    path = folder / NAME
    if not path.exists():
        return None
    # torch.load knows "cpu", but not "cpu:0", which accelerate calls the device of several processes.
    where = "cpu" if torch.device(device).type == "cpu" else device
    state = torch.load(path, map_location=where, weights_only=True)
    for key in sorted(run.keys() | state["run"].keys()):
        then, now = state["run"].get(key), run.get(key)
        if then != now:
            raise OtherRunError(
                f"{path} is the checkpoint of another run: its {key} is {then!r}, this one's {now!r}. Name another folder.",
                key,
                then,
                now,
            )
    return state
