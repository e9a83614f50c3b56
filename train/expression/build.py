"""`python run.py train expression`: trains the table of Approximate
Expression on real clips and measures its errors.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ...errors import MissingFileError
from ...face_tools.editing.expression_table import ExpressionTable
from ...face_tools.trackers import mediapipe_tasks
from ...face_tools.trackers.faces import ModelFiles
from . import errors, pairs, regressor, synthetic
from .teacher import teacher

TABLE, ERRORS = "expression.npz", "expression.md"


def build(
    clips: Path, bundle: Path, out: Path, heads: int, epochs: int, tell: Callable[[str], None]
) -> list[Path]:
    """Train on every clip of a folder, and once per person without their
    clips to measure the errors; return the files.

    bundle: the real face_landmarker.task; heads: number of
    synthetic heads; epochs: passes over the training data
    """
    if bundle.name != mediapipe_tasks.FILE or not bundle.is_file():
        raise MissingFileError(
            f"There is no {mediapipe_tasks.FILE} at {bundle}; get it from {mediapipe_tasks.PAGE}.",
            str(bundle),
        )
    real = pairs.read(clips, ModelFiles((str(bundle.parent),)), tell)
    with teacher(bundle) as teach:
        made = synthetic.make(real, heads, teach, tell)
    out.mkdir(parents=True, exist_ok=True)
    answers = regressor.leave_one_out(real, made, epochs, tell)
    (out / ERRORS).write_text(errors.tables(real, answers), encoding="utf-8")
    shape = regressor.mean_face(real)
    table: ExpressionTable = regressor.fit(regressor.samples(real, made, shape), shape, epochs)
    table.save(out / TABLE)
    return [out / TABLE, out / ERRORS]
