"""The demo's face tracker: MediaPipe's real Face Landmarker, or what can run in its place."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from .. import material
from ..errors import CommandError
from ..face_tools.track_errors import TrackError
from ..face_tools.trackers import mediapipe_tasks, sources
from ..face_tools.trackers.faces import ModelFiles
from ..material.packed_files import NotFetched


@dataclass(frozen=True)
class Tracker:
    """A tracker that can run here: its name, and the folder of its model files."""

    name: str
    models: ModelFiles

    @property
    def gives_coefficients(self) -> bool:
        return self.name == mediapipe_tasks.NAME

    def copy_models(self, folder: Path) -> None:
        """Copy its model files into a `face_tools` folder."""
        folder.mkdir(parents=True, exist_ok=True)
        for place in self.models.folders:
            shutil.copy(Path(place) / mediapipe_tasks.FILE, folder)


def find() -> Tracker:
    """The Face Landmarker, whose model file pip fetches; without it the mesh, and a line says why.

    Raises SystemExit if neither can run.
    """
    try:
        models, reason = ModelFiles((str(material.face_landmarker().parent),)), None
    except NotFetched as error:
        models, reason = ModelFiles(), str(error)
    try:
        name = sources.choose(models)
    except TrackError as error:
        raise CommandError(str(error)) from None
    if name != mediapipe_tasks.NAME:
        reason = reason or mediapipe_tasks.missing(models) or mediapipe_tasks.consent()
        print(f"{mediapipe_tasks.NAME} is not used: {reason}", flush=True)
        print(f"In its place: {name}, with Approximate Expression.", flush=True)
    return Tracker(name, models)
