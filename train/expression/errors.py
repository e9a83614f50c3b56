"""Errors of the estimated coefficients relative to the
Face Landmarker's, as a table for docs/expression.md.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...face_tools.coefficients import ARKIT_51
from .pairs import Pairs
from .regressor import COLUMNS, NAMES, SILENT

MOVES = 0.02  # standard deviation of a coefficient within a clip below which its correlation is meaningless
SMILES = 0.3  # mean of both smile coefficients from which a clip counts as smiling
_SMILE = [ARKIT_51.index(f"mouthSmile{side}") for side in ("Left", "Right")]
HEAD = ("coefficient", "clips", "r mesh", "r tasks", "bias mesh", "bias tasks", "error mesh", "error tasks")


def correlations(answers: Sequence[np.ndarray], truths: Sequence[np.ndarray]) -> np.ndarray:
    """(C, 51) correlations in C clips (F, 51); nan if the true coefficient's
    standard deviation is at most MOVES, 0 if only the estimate is constant.
    """
    result = np.full((len(truths), len(ARKIT_51)), np.nan)
    for row, answer, truth in zip(result, answers, truths, strict=True):
        a, b = answer - answer.mean(0), truth - truth.mean(0)
        moves = b.std(0) > MOVES
        size = np.maximum(a.std(0) * b.std(0), 1e-12)
        row[moves] = ((a * b).mean(0) / size)[moves]
    return result


def tables(clips: Sequence[Pairs], answers: dict[str, tuple[np.ndarray, np.ndarray]]) -> str:
    """Return Markdown: one line per coefficient, then the mean smile of every smiling clip."""
    clips = [pairs for pairs in clips if pairs.name in answers]
    return "\n".join([*_row_of_each(clips, answers), "", *_smiles(clips, answers), ""])


def _row_of_each(clips: Sequence[Pairs], answers: dict) -> list[str]:
    truths = [pairs.coefficients for pairs in clips]
    columns = []
    for k in (0, 1):
        found = [answers[pairs.name][k] for pairs in clips]
        apart = [a - b for a, b in zip(found, truths)]
        bias = np.mean([part.mean(0) for part in apart], axis=0)
        error = np.mean([np.abs(part).mean(0) for part in apart], axis=0)
        columns.append((correlations(found, truths), bias, error))
    (r_mesh, *mesh), (r_task, *task) = columns
    lines = [_line(HEAD), _line(["---"] * len(HEAD))]
    for name, k in zip(NAMES, COLUMNS):
        moving = int(np.isfinite(r_mesh[:, k]).sum())
        rs = [f"{np.nanmedian(r[:, k]):.2f}" if moving else "-" for r in (r_mesh, r_task)]
        numbers = [f"{mesh[0][k]:+.3f}", f"{task[0][k]:+.3f}", f"{mesh[1][k]:.3f}", f"{task[1][k]:.3f}"]
        lines.append(_line([name, str(moving), *rs, *numbers]))
    return [*lines, "", f"Always zero: {', '.join(SILENT)}."]


def _smiles(clips: Sequence[Pairs], answers: dict) -> list[str]:
    lines = [_line(("smiling clip", "real mean smile", "mesh", "tasks")), _line(["---"] * 4)]
    for pairs in clips:
        means = [part[:, _SMILE].mean() for part in (pairs.coefficients, *answers[pairs.name])]
        if means[0] > SMILES:
            lines.append(_line([pairs.name, *(f"{mean:.2f}" for mean in means)]))
    return lines


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
