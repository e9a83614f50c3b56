"""Prints and draws the results of `bench paper`: a line per run, the paper's
Table 2 for the toy model, curves and samples.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np

from ..quality.test_set import Pictures

SHOWN, BAR = 8, 22  # pictures in a row of samples, pixels of its title
COLOURS = 64  # of a plot's file
FIGURES = {"fid": ".2f", "psnr": ".2f", "ssim": ".3f", "similarity": ".3f"}
CURVES = {"loss": "loss", "psnr": "PSNR, dB", "fid": "FID", "similarity": "similarity"}


def line(result: Mapping) -> str:
    last = result["curve"][-1]
    shown = "  ".join(f"{name} {last[name]:.3f}" for name in ("loss", *FIGURES))
    return f"{result['arm']:28} seed {result['seed']}  {shown}  {last['processor']:.0f} s"


def table(results: Sequence[Mapping], bare: Mapping[str, Mapping]) -> str:
    """Return a table of the mean (least to largest) over the seeds at
    the end of each run, also on the restyled base.
    """
    heads = ("arm", "parameters", "MFLOP", "processor s", "loss", "FID", "PSNR", "SSIM", "similarity")
    heads += ("restyled: similarity", "style left")
    rows = [heads, ("---",) * len(heads)]
    for arm, known in bare.items():
        figures = [f"{known[name]:{form}}" for name, form in FIGURES.items()]
        rows.append((arm, "", "", "", f"{known['loss']:.4f}", *figures, "", ""))
    for arm, runs in by_arm(results).items():
        ends = [run["curve"][-1] for run in runs]
        cells = [
            arm,
            f"{runs[0]['parameters']:,}",
            f"{runs[0]['operations'] / 1e6:.0f}",
            spread([end["processor"] for end in ends], ".0f"),
            spread([end["loss"] for end in ends], ".4f"),
        ]
        cells += [spread([end[name] for end in ends], form) for name, form in FIGURES.items()]
        cells += [spread([run["restyled"][name] for run in runs], ".3f") for name in ("similarity", "style")]
        rows.append(tuple(cells))
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def by_arm(results: Sequence[Mapping]) -> dict[str, list[Mapping]]:
    runs = defaultdict(list)
    for result in results:
        runs[result["arm"]].append(result)
    return dict(runs)


def spread(values: Sequence[float], form: str) -> str:
    return f"{np.mean(values):{form}} ({min(values):{form}} to {max(values):{form}})"


def save_samples(path: Path, pictures: Pictures) -> None:
    cv2.imwrite(str(path), _row(pictures))


def _row(pictures: Pictures) -> np.ndarray:
    return np.hstack(pictures[:SHOWN])[..., ::-1]


def write(folder: Path, results: Sequence[Mapping], runs: Path, drawn: Pictures) -> None:
    """Write curves over steps and over processor time, one picture per comparison, and samples of every arm.

    drawn: the ground truth of the samples
    """
    folder.mkdir(parents=True, exist_ok=True)
    groups = defaultdict(dict)
    for arm, found in by_arm(results).items():
        group, name = arm.split("/")
        groups[group][name] = found
    for group, arms in groups.items():
        _curves(folder / f"{group}.png", arms)
        samples = {name: runs / group / name.replace(" ", "_") / "samples.png" for name in arms}
        strips = [_strip("ground truth", _row(drawn))]
        strips += [_strip(name, cv2.imread(str(path))) for name, path in samples.items()]
        cv2.imwrite(str(folder / f"{group}_samples.jpg"), np.vstack(strips), [cv2.IMWRITE_JPEG_QUALITY, 85])


def _strip(name: str, row: np.ndarray) -> np.ndarray:
    bar = np.full((BAR, row.shape[1], 3), 250, np.uint8)
    cv2.putText(bar, name, (6, BAR - 7), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (40, 40, 40), 1, cv2.LINE_AA)
    return np.vstack([bar, row])


def _curves(path: Path, arms: Mapping[str, Sequence[Mapping]]) -> None:
    import matplotlib
    from PIL import Image

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(2, len(CURVES), figsize=(4 * len(CURVES), 6), constrained_layout=True)
    for colour, (name, runs) in enumerate(arms.items()):
        for number, run in enumerate(runs):
            steps = [run["every"] * (k + 1) for k in range(len(run["curve"]))]
            spent = [row["processor"] for row in run["curve"]]
            for column, measure in enumerate(CURVES):
                values = [row[measure] for row in run["curve"]]
                for row, places in enumerate((steps, spent)):
                    label = name if number == 0 else None
                    axes[row, column].plot(places, values, f"C{colour}", alpha=0.8, label=label)
    for row, what in enumerate(("steps", "processor time, s")):
        for column, title in enumerate(CURVES.values()):
            axes[row, column].set(xlabel=what, ylabel=title)
    axes[0, 0].legend(fontsize=8)
    drawn = BytesIO()
    figure.savefig(drawn, dpi=80)
    pyplot.close(figure)
    Image.open(drawn).convert("RGB").quantize(COLOURS).save(path, optimize=True)
