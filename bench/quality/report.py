"""Writes the results of `bench drawn_heads`: bench/quality/REPORT.md with a plot of cost and quality, the
real clip's curves, and pictures.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path

import numpy as np
from PIL import Image

from ...demo.toy_model import WORDS, SamplingOptions, World
from ...host.environment import ROOT
from .costs import Cost
from .test_set import sampling, scenes

HERE = ROOT / "bench" / "quality"
PAGE, FOLDER = HERE / "REPORT.md", HERE / "pictures"
Curves = Mapping[str, tuple[np.ndarray, np.ndarray]]

TEXT = """# Quality of the toy model on synthetic heads

`{command}` on {cores} cores, {day}; {words}. {passed} passed, {failed} failed.

The people and motions were not in the training data. A small network trained on drawings (`python run.py bench probe`) measures head pose,
coefficients and identity in the pictures; its own error is in the rows "probe on the truth". APD: mean error of pitch, yaw and roll in
degrees. AED: mean error of the eleven coefficients. Identity: share of heads that are recognised among {gallery} people.

| | limit | measured |
|---|---|---|
{rows}

![Portraits, requested pose, and result of the toy model](pictures/actors.png)

From top to bottom: the portrait, the drawn ground truth, the result. Frames were sampled separately, without motion modules.

![Curves of a real clip's track, and the same curves measured on three drawn heads that it drives](pictures/curves.png)

![Quality against cost](pictures/costs.png)
"""


def write(table, world: World, curves: Curves, costs: Sequence[Cost], command: str, gallery: int) -> Path:
    """Write the page and its pictures, and return the path of the page."""
    FOLDER.mkdir(exist_ok=True)
    _generated(world).save(FOLDER / "actors.png")
    _curves(curves, FOLDER / "curves.png")
    _costs(costs, FOLDER / "costs.png")
    marks = {True: "", False: " **not reached**", None: ""}
    rows = "\n".join(
        f"| {what} | {expected} | {seen}{marks[held]} |" for what, expected, seen, held in table.rows
    )
    facts = {
        "command": f"python run.py bench {command}",
        "cores": os.cpu_count(),
        "day": date.today().isoformat(),
        "words": WORDS,
    }
    PAGE.write_text(
        TEXT.format(
            rows=rows, passed=sum(table.judged), failed=table.judged.count(False), gallery=gallery, **facts
        ),
        encoding="utf-8",
    )
    return PAGE


def _generated(world: World, people: int = 5, moments: int = 3) -> Image.Image:
    act = sampling(world)
    columns = []
    for scene in scenes(people, moments):
        rows = zip([scene.portrait] * moments, scene.drawn, act(scene, scene.asked, SamplingOptions()))
        columns += [np.concatenate(row) for row in rows]
    return Image.fromarray(np.concatenate(columns, 1))


def _figure(path: Path, panels: int, draw) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(
        -(-panels // 3), min(panels, 3), figsize=(12, 3.2 * -(-panels // 3)), layout="constrained"
    )
    draw(np.ravel(axes))
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def _curves(curves: Curves, path: Path) -> None:
    def draw(axes) -> None:
        for axis, (name, (asked, seen)) in zip(axes, curves.items()):
            axis.plot(asked, label="the clip's track")
            axis.plot(seen, label="read from the result")
            axis.set_title(f"{name}: correlation {np.corrcoef(asked, seen)[0, 1]:.2f}")
            axis.set_xlabel("frame")
        axes[0].legend()

    _figure(path, len(curves), draw)


def _costs(costs: Sequence[Cost], path: Path) -> None:
    measures = {"APD, degrees": "apd", "AED": "aed", "PSNR, dB": "psnr"}

    def draw(axes) -> None:
        for axis, (title, name) in zip(axes, measures.items()):
            for cost in costs:
                # A cross, because half precision coincides with its full-precision point.
                marker = "o" if cost.name.count(",") == 1 else "x"
                axis.plot(cost.rows, getattr(cost.score, name), marker, label=cost.name)
            axis.set_title(title)
            axis.set_xlabel("UNet rows for a frame")
            axis.set_xscale("log")
            rows = sorted({cost.rows for cost in costs})
            axis.set_xticks(rows, list(map(str, rows)))
            axis.minorticks_off()
        axes[-1].legend(fontsize=7, loc="upper left", bbox_to_anchor=(1, 1))

    _figure(path, len(measures), draw)
