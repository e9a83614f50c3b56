"""Results of finished clips on disk, so that a run can be interrupted and continued."""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path

import numpy as np

from ..face_tools.atomic_write import written
from ..face_tools.opencv import cv2
from .clip import Measured
from .pairing import Job

FORMAT = 1  # to be increased whenever a figure changes its meaning


class Store:
    """Stores per clip one .json with its figures, one .npz with its features, and two pictures, in `folder`.

    options: everything other than files that the figures depend on
    """

    def __init__(self, folder: Path, options: dict):
        self.folder, self.options = folder, options
        folder.mkdir(parents=True, exist_ok=True)

    def finished(self, job: Job) -> dict | None:
        """Return the record of a clip that was measured with these
        options and has not changed since, otherwise None.
        """
        path = self._path(job, ".json")
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return record if record.get("key") == self._key(job) and "error" not in record else None

    def keep(self, job: Job, measured: Measured) -> dict:
        """Write a clip's results. The record is written last and marks the clip as finished."""
        if measured.features:
            with written(self._path(job, ".npz")) as file:
                np.savez(file, **measured.features)
        for name, picture in measured.pictures.items():
            ok, data = cv2.imencode(
                ".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 88]
            )
            if ok:
                self._path(job, f".{name}.jpg").write_bytes(data.tobytes())
        figures = {name: None if math.isnan(value) else value for name, value in measured.figures.items()}
        return self._write(job, {"figures": figures, "faults": measured.faults, "report": measured.report})

    def fail(self, job: Job, error: Exception) -> dict:
        """Write the reason why a clip could not be measured; the next run tries it again."""
        return self._write(job, {"error": f"{type(error).__name__}: {error}"})

    def features(self, job: Job) -> dict[str, np.ndarray]:
        """Return the features of a finished clip; empty if there are none."""
        path = self._path(job, ".npz")
        if not path.exists():
            return {}
        with np.load(path) as data:
            return dict(data)

    def _write(self, job: Job, content: dict) -> dict:
        record = {"clip": job.name, "key": self._key(job), **content}
        with written(self._path(job, ".json")) as file:
            file.write(json.dumps(record, indent=1).encode())
        return record

    def _key(self, job: Job) -> str:
        stats = [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in job.files]
        return hashlib.sha256(json.dumps([FORMAT, self.options, stats]).encode()).hexdigest()

    def _path(self, job: Job, end: str) -> Path:
        return self.folder / f"{job.name}{end}"
