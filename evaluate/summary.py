"""The table over all clips: the figures, their units, and which direction is better."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from . import metrics
from .pairing import Job
from .store import Store


@dataclass(frozen=True)
class Figure:
    """A column of the table. better: "up", "down" or ""."""

    title: str
    unit: str
    better: str
    form: str = ".3f"


FIGURES = {
    "psnr": Figure("PSNR", "dB", "up", ".2f"),
    "ssim": Figure("SSIM", "-1..1", "up"),
    "lpips": Figure("LPIPS", "0..1", "down"),
    "apd": Figure("APD", "radians, as in the paper", "down"),
    "pose_distance": Figure("pose", "degrees", "down", ".2f"),
    "aed": Figure("AED", "0..1, 51 ARKit coefficients; the paper's are of another face model", "down"),
    "face_exp": Figure("Face-Exp", "sides of the face (X-Dyna)", "down"),
    "face_cos": Figure("Face-Cos", "-1..1, to the truth, ArcFace (X-Dyna: AdaFace)", "up"),
    "face_det": Figure("Face-Det", "share of frames with a face (X-Dyna)", "up"),
    "identity": Figure("identity", "-1..1, to the portrait, ArcFace", "up"),
    "correlation_yaw": Figure("yaw r", "-1..1", "up", ".2f"),
    "correlation_jaw": Figure("jaw r", "-1..1", "up", ".2f"),
    "correlation_blink": Figure("blink r", "-1..1", "up", ".2f"),
    "flicker": Figure("flicker", "grey levels beyond the driver's", "down", ".2f"),
    "late": Figure("late", "frames", "", ".0f"),
}
OVER_ALL = {
    "FID": Figure("FID", "Inception features of all frames", "down", ".2f"),
    "FVD": Figure("FVD", f"I3D, {metrics.FVD_FRAMES} consecutive frames per clip", "down", ".2f"),
}
FEW = 50  # number of clips below which FID and FVD of two runs should not be compared


def over_all(done: Sequence[Job], store: Store) -> dict[str, float]:
    """Return FID and FVD over the features of all finished clips, if features were computed."""
    rows: dict[str, list[np.ndarray]] = {}
    for job in done:
        for name, features in store.features(job).items():
            rows.setdefault(name, []).append(features)
    distances = {"FID": metrics.fid, "FVD": metrics.fvd}
    both = {
        name: [
            np.concatenate(rows.get(f"{name}_{side}", [np.zeros((0, 1), np.float32)]))
            for side in ("real", "fake")
        ]
        for name in distances
    }
    return {name: distances[name](*sides) for name, sides in both.items() if min(map(len, sides)) > 1}


def means(records: Sequence[dict]) -> dict[str, float]:
    """Return the mean of each figure over the clips in which it was measured."""
    result = {}
    for name in FIGURES:
        values = [record["figures"][name] for record in records if record["figures"].get(name) is not None]
        if values:
            result[name] = float(np.mean(values))
    return result


def badness(record: dict) -> float:
    """Sort key, larger for worse clips: failed ones first, then by faults, pose and expression."""
    if "error" in record:
        return float("inf")
    figures = record["figures"]
    pose, expression = (figures.get(name) or 0.0 for name in ("pose_distance", "expression_distance"))
    return len(record["faults"]) + pose / 5 + expression / 0.1


def table(records: Sequence[dict], totals: dict[str, float]) -> list[list[str]]:
    """Return lines of text: titles, one line per clip, worst first, and the mean with FID and FVD."""
    ranked = sorted(records, key=badness, reverse=True)
    average = means([record for record in records if "error" not in record])
    shown = [name for name in FIGURES if name in average]
    rows = [["clip", *(FIGURES[name].title for name in shown), "faults"]]
    for record in ranked:
        if "error" in record:
            rows.append([record["clip"], *["-"] * len(shown), record["error"]])
            continue
        cells = [_shown(record["figures"].get(name), FIGURES[name].form) for name in shown]
        rows.append([record["clip"], *cells, str(len(record["faults"]))])
    together = ", ".join(f"{name} {value:.2f}" for name, value in totals.items())
    rows.append(["mean", *(_shown(average[name], FIGURES[name].form) for name in shown), together])
    return rows


def lines(rows: list[list[str]]) -> list[str]:
    """Return the table as aligned text."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]
    return ["  ".join([*(cell.ljust(width) for cell, width in zip(row, widths)), row[-1]]) for row in rows]


def _shown(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
