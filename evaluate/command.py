"""`python run.py evaluate RESULTS`: measure folders of clips as the papers do, worst frames first.

Self-reenactment (--truth): FID, FVD, PSNR, SSIM, LPIPS. Cross-reenactment (--driver): FID, AED, APD. Both:
Face-Exp, Face-Cos and Face-Det of X-Dyna, correlations, flicker and named faults. A file belongs to a result
of the same name; `PORTRAIT__DRIVER.mp4` names both.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path

import torch

from ..errors import SKPortraitError
from ..face_tools import embedding
from ..face_tools.atomic_write import written
from ..face_tools.trackers import sources
from ..face_tools.trackers.faces import ModelFiles
from ..host import installation
from ..host.environment import ROOT
from . import summary
from .clip import Tools, measure
from .metrics import Networks
from .page import page
from .pairing import Job, jobs
from .store import Store
from .weights import NEEDED

CLIPS = "clips"


def main(argv: list[str]) -> int:
    options = _options(argv)
    try:
        return evaluated(options)
    except SKPortraitError as error:
        print(error)
        return 2


def evaluated(options: argparse.Namespace) -> int:
    """Measure all clips.

    Returns 1 if one failed. Raises PairingError or TrackError if none can be measured.
    """
    found, left_out = jobs(options.results, options.truth, options.driver, options.reference)
    reasons = {
        name: reason
        for name, needs in NEEDED.items()
        if (reason := needs.missing(options.weights, options.download))
    }
    networks = Networks(options.weights, [name for name in NEEDED if name not in reasons], options.device)
    store = Store(options.output / CLIPS, _depends_on(options, networks))
    embedder, why = _embedder(options.models)
    notes = [*left_out, *(f"{name} was omitted: {reason}" for name, reason in reasons.items()), *why]
    with sources.open_source(options.tracker, ModelFiles((str(options.models / "face_tools"),))) as source:
        records = run(found, store, Tools(source, networks, embedder, options.frames, options.fps))
    return finish(options.output, found, records, store, notes)


def run(found: Sequence[Job], store: Store, tools: Tools) -> list[dict]:
    """Measure the clips that are not finished. A failed clip is recorded, and the next one follows."""
    records = []
    for number, job in enumerate(found, 1):
        before, start = store.finished(job), time.monotonic()
        record = before or _measured(job, store, tools)
        records.append(record)
        took = "kept from an earlier run" if before else f"{time.monotonic() - start:.1f} s"
        print(f"[{number}/{len(found)}] {job.name}: {_short(record)} ({took})", flush=True)
    return records


def finish(output: Path, found: Sequence[Job], records: list[dict], store: Store, notes: list[str]) -> int:
    """Write table, JSON and page, and print the table. Returns 1 if any clip failed."""
    done = [job for job, record in zip(found, records) if "error" not in record]
    totals = summary.over_all(done, store)
    if totals and len(done) < summary.FEW:
        few = f"FID and FVD depend on the number of clips ({len(done)}): compare runs over the same ones."
        notes = [*notes, few]
    rows = summary.table(records, totals)
    text = "\n".join([*summary.lines(rows), *notes])
    content = {
        "mean": summary.means([r for r in records if "error" not in r]),
        **totals,
        "clips": records,
        "notes": notes,
    }
    files = {
        "table.txt": text + "\n",
        "evaluation.json": json.dumps(content, indent=1),
        "index.html": page(rows, records, notes, CLIPS),
    }
    for name, words in files.items():
        with written(output / name) as file:
            file.write(words.encode())
    print(f"{text}\n{len(done)} of {len(found)} clips measured. Page: {output / 'index.html'}")
    return int(len(done) < len(found))


def _measured(job: Job, store: Store, tools: Tools) -> dict:
    try:
        return store.keep(job, measure(job, tools))
    except Exception as error:  # whatever is wrong with one clip, the others are measured
        return store.fail(job, error)


def _short(record: dict) -> str:
    if "error" in record:
        return record["error"]
    told = [
        f"{figure.title} {record['figures'][name]:{figure.form}}"
        for name, figure in summary.FIGURES.items()
        if name in ("psnr", "pose_distance", "aed") and record["figures"].get(name) is not None
    ]
    return ", ".join([*told, f"{len(record['faults'])} faults"])


def _depends_on(options, networks: Networks) -> dict:
    return {
        "tracker": options.tracker,
        "metrics": networks.names,
        "frames": options.frames,
        "fps": options.fps,
    }


def _embedder(models: Path) -> tuple[embedding.FaceEmbedder | None, list[str]]:
    """Return (ArcFace or None, list with the reason if it is None)."""
    folder = models / "insightface"
    path = embedding.find([str(folder)])
    if path is not None:
        return embedding.FaceEmbedder(path), []
    names = " or ".join(embedding.FILES)
    missing = f"Face-Cos and identity were omitted: {names} was not found in {folder}."
    return None, [f"{missing} Download: {embedding.PAGE}. {embedding.LICENSE}"]


def _options(argv: list[str]):
    parser = argparse.ArgumentParser(
        "python run.py evaluate", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("results", type=Path, help="folder of result clips, or one clip")
    parser.add_argument("--truth", type=Path, help="folder of true clips: self-reenactment")
    parser.add_argument("--reference", type=Path, help="folder of portraits: identity")
    parser.add_argument("--driver", type=Path, help="folder of driving clips (default: the truth)")
    parser.add_argument(
        "--output",
        type=Path,
        default=ROOT / "output" / "evaluation",
        help="where to write (default: %(default)s)",
    )
    parser.add_argument(
        "--weights",
        type=Path,
        default=Path(torch.hub.get_dir()),
        help="folder with checkpoints/ (default: %(default)s)",
    )
    parser.add_argument("--download", action="store_true", help="let the libraries fetch missing weights")
    parser.add_argument(
        "--models",
        type=Path,
        default=_models(),
        help="folder with face_tools/ and insightface/ (default: %(default)s)",
    )
    parser.add_argument("--tracker", default=sources.AUTO, help="face tracker (default: %(default)s)")
    parser.add_argument(
        "--frames", type=int, default=0, help="frames per clip, 0 for all (default: %(default)s)"
    )
    parser.add_argument(
        "--fps",
        type=float,
        default=0.0,
        help="frames per second to sample, 0 for the result's own (paper: 15)",
    )
    parser.add_argument(
        "--device",
        default="cuda" if torch.cuda.is_available() else "cpu",
        help="for the metrics (default: %(default)s)",
    )
    options = parser.parse_args(argv)
    if options.truth is None and options.driver is None:
        parser.error("give --truth (self-reenactment), --driver (cross-reenactment), or both")
    return options


def _models() -> Path:
    comfy = installation.find()
    return (comfy or ROOT) / "models"
