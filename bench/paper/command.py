"""`python run.py bench paper`: tests what the paper claims of SK attention with the toy model.

Four comparisons on one frozen base, with the same data, order, noise and steps: ControlNet and ControlNetSK;
IPAdapter, IPAdapterSK and both; text attention and SK text attention; HelloMeme's reference adapter with SK
attention and with plain concatenated self-attention. A stopped run continues if the command is repeated. The
default takes some hours on two cores.
"""

from __future__ import annotations

import argparse
import copy
import json
from collections.abc import Iterator
from dataclasses import asdict, fields
from functools import cache
from pathlib import Path

import torch
from torch import nn

from ...demo.toy_model import World
from ...host.environment import CACHE
from ...sk_attention.published_files import DRIVE
from ..quality import style
from ..quality.test_set import Pictures, scenes
from . import export, page
from .arms import ARMS, Arm, Bare, Make, with_places
from .figures import Evaluator, style_left
from .people import shown, taught
from .runs import DONE, Plan, best_rate, operations, parameters, settings, trained


class Claim:
    """Everything that the runs share, created once in a folder."""

    def __init__(self, plan: Plan, folder: Path):
        self.plan, self.folder, self.world = plan, folder, World()
        self.people = taught(self.world, folder, plan.people, tell)
        self.stage = scenes(plan.shown, 1)
        self.evaluator = Evaluator(self.world, self.stage, shown(self.world, self.stage), plan.sampling)
        self.drive = self.world.part(DRIVE)
        self.unet = self._base()
        self.restyled = self._restyled()
        self.measure = style.Measure(self.world, len(self.stage))

    def _base(self) -> nn.Module:
        """Return the toy base after training without a reference
        adapter, which it always had in its own training.
        """
        unet = with_places(copy.deepcopy(self.world.unet))
        wanted = settings(self.plan, self.plan.base_steps, 1e-3, 0, 0)
        trained(Bare(unet, self.drive), self.people, wanted, self.folder / "base", {"part": "base"})
        return unet.eval().requires_grad_(False)

    def _restyled(self) -> nn.Module:
        """Return the base with the LoRA of `bench style`, which was trained on blueprints."""
        path, net = self.folder / "restyled.pt", copy.deepcopy(self.unet)
        if path.exists():
            net.load_state_dict(torch.load(path, weights_only=True))
        else:
            net = style.learn(net, self.world, self.plan.style)
            torch.save(net.state_dict(), path)
        return net.eval().requires_grad_(False)

    def run(self, group: str, name: str, seed: int) -> dict:
        """Return the curve of one arm and seed, and its figures on the base and on the restyled base."""
        folder = self.folder / group / name.replace(" ", "_")
        done = folder / str(seed) / DONE
        if done.exists():
            return json.loads(done.read_text())

        def make() -> Arm:
            torch.manual_seed(seed)
            return ARMS[group][name](self.unet, self.drive)

        rate = best_rate(make, self.people, self.plan, folder, self.evaluator)
        arm = make()
        counted = {"parameters": parameters(arm), "operations": operations(arm, self.people, self.plan.batch)}
        wanted = settings(self.plan, self.plan.steps, rate, seed, self.plan.points)
        about = {"arm": f"{group}/{name}", "steps": self.plan.steps, "rate": rate}
        curve = trained(arm, self.people, wanted, folder / str(seed), about, self.evaluator)
        pictures = self.evaluator.pictures(arm)
        if seed == 0:
            page.save_samples(folder / "samples.png", pictures)
        result = about | counted | {"seed": seed, "every": wanted.sheet, "curve": curve}
        result["restyled"] = self._on_restyled(arm, pictures, driven=group == "reference")
        done.write_text(json.dumps(result, indent=1))
        return result

    def _on_restyled(self, arm: Arm, plain: Pictures, driven: bool) -> dict[str, float]:
        """Measure the arm on a base on which it was not trained: its
        identity, and how much of the style it leaves.

        plain: the arm's pictures on its own base
        """
        arm.unet = self.restyled
        pictures = self.evaluator.pictures(arm)
        arm.unet = self.unet
        seen = (self.measure.style([each]) for each in (pictures, plain))
        return self.evaluator.of(pictures).numbers() | {"style": style_left(*seen, self.own_style(driven))}

    @cache  # noqa: B019
    def own_style(self, driven: bool) -> torch.Tensor:
        """Return the style of the restyled base without any arm."""
        return self.measure.style(
            [self.evaluator.pictures(Bare(self.restyled, self.drive if driven else None))]
        )

    def bare(self) -> dict[str, dict[str, float]]:
        """Return the figures of the base without an arm, alone and with the drive."""
        return {
            name: self.evaluator(Bare(self.unet, drive)).numbers()
            for name, drive in (("base", None), ("base with the drive", self.drive))
        }


def tell(line: str) -> None:
    print(line, flush=True)


def chosen(only: list[str]) -> Iterator[tuple[str, str, Make]]:
    for group, arms in ARMS.items():
        for name, make in arms.items():
            if not only or group in only:
                yield group, name, make


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python run.py bench paper", description=__doc__)
    parser.add_argument(
        "--out", type=Path, default=CACHE / "paper", help="checkpoints (default: %(default)s)"
    )
    parser.add_argument("--only", nargs="*", default=[], choices=ARMS, help="comparisons (default: all)")
    parser.add_argument("--page", type=Path, help="folder for plots and samples")
    parser.add_argument(
        "--comfyui",
        type=Path,
        help="a ComfyUI folder: write its models and input for the templates controlnet_sk and faceid_sk",
    )
    for field in fields(Plan):
        many = {"nargs": "+", "type": float} if field.name == "rates" else {"type": int}
        parser.add_argument(f"--{field.name.replace('_', '-')}", default=field.default, **many)
    options = parser.parse_args(argv)
    values = {field.name: getattr(options, field.name) for field in fields(Plan)}
    plan = Plan(**values | {"rates": tuple(values["rates"])})
    tell(f"plan: {asdict(plan)}")
    claim = Claim(plan, options.out)
    results = []
    for seed in range(
        plan.seeds
    ):  # one run of every arm first, so that an interrupted bench has results of all
        for group, name, _ in chosen(options.only):
            results.append(claim.run(group, name, seed))
            tell(page.line(results[-1]))
    tell(page.table(results, claim.bare()))
    if options.page:
        page.write(options.page, results, options.out, claim.evaluator.drawn)
    if options.comfyui:
        for path in export.write(options.comfyui, options.out, claim.unet, claim.world):
            tell(str(path))
    return 0
