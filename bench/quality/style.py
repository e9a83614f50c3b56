"""`python run.py bench style`: what Portrait Strength Schedule does for a
stylised checkpoint, measured on the toy model.

The style is synthetic: a LoRA of rank 4 trains the toy model's base to draw blueprints. Each row is measured
on people outside the training data. Identity is read from the pictures by the network of `bench probe`. Style
is measured by statistics of the autoencoder's features, on a scale from 0, the plain base with Animate
Portrait, to 1, the styled base without HelloMeme.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from ...demo.toy_model import NO_TEXT, SIZE, SamplingOptions, World
from ...drawn_heads import Identity, State, draw
from ...drawn_heads.attributes import COLOURS
from ...sk_attention.reference import Reference
from ...train.noise import STEPS, noised, target
from ...unet.clip.curve import Curve
from ...unet.patches import UP
from ...unet.strengths import Strengths
from ..options import bench_parser
from ..verdict import verdict
from . import probe
from .drawn_heads import Table
from .probe import HELD_OUT
from .test_set import Pictures, sampling, scenes

INK, PAPER = np.float32([16, 42, 92]), np.float32([236, 240, 224])  # colours of a blueprint
SHARE = 0.75  # blend from a drawing (0) to its blueprint (1)
RANK, LESSONS, BATCH, RATE = 4, 300, 8, 4e-3  # of the LoRA
FIRST, PEOPLE = 300_000, 400  # seeds of the people on whom the style is trained; no other training uses them
GALLERY, MOMENTS = 60, 2  # people among whom one is identified, frames of each
WIDE, BAR = 6, 24  # people in the picture, pixels of a line of text
SHAPES = slice(3 * len(COLOURS), None)  # the identity numbers that a style does not recolour
FEATURES = (3, 7)  # layers of the autoencoder's encoder, at a half and at a quarter of the picture's side
USUAL = SamplingOptions()


def styled(picture: np.ndarray) -> np.ndarray:
    """Return a picture (H, W, 3) uint8 as a blueprint."""
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)[..., None] / np.float32(255)
    return np.round(picture * (1 - SHARE) + SHARE * (INK + (PAPER - INK) * grey)).astype(np.uint8)


class LowRank(nn.Module):
    """A LoRA of one weight."""

    def __init__(self, weight: Tensor):
        super().__init__()
        rows, columns = weight.shape[0], weight[0].numel()
        self.up = nn.Parameter(torch.zeros(rows, RANK))
        self.down = nn.Parameter(torch.randn(RANK, columns) / columns**0.5)

    def forward(self, weight: Tensor) -> Tensor:
        return weight + (self.up @ self.down).view_as(weight)


def learn(net: nn.Module, world: World, lessons: int) -> nn.Module:
    """Train a LoRA on all weight layers to draw blueprints, in place: AdamW, one-cycle rate, v-prediction."""
    torch.manual_seed(0)
    layers = [m for m in net.modules() if isinstance(m, (nn.Linear, nn.Conv2d))]
    for layer in layers:
        parametrize.register_parametrization(layer, "weight", LowRank(layer.weight))
    loras = [p for layer in layers for p in layer.parametrizations.weight[0].parameters()]
    latents = torch.cat([world.shrink([styled(p) for p in part]) for part in _people()])
    optimizer = torch.optim.AdamW(loras, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=lessons)
    for lesson in range(lessons):
        clean, noise = latents[torch.randint(len(latents), (BATCH,))], torch.randn(BATCH, *latents.shape[1:])
        when = torch.randint(STEPS, (BATCH,))
        answer = net(
            noised(clean, noise, when), when, encoder_hidden_states=NO_TEXT.expand(BATCH, -1, -1)
        ).sample
        wrong = (answer - target("v", clean, noise, when)).square().mean()
        optimizer.zero_grad(set_to_none=True)
        wrong.backward()
        optimizer.step()
        schedule.step()
        if lesson % 50 == 49:
            print(
                f"learning the style: lesson {lesson + 1} of {lessons}, loss {wrong.item():.3f}", flush=True
            )
    for layer in layers:
        parametrize.remove_parametrizations(layer, "weight")
    return net.eval().requires_grad_(False)


def _people(part: int = 50) -> Iterable[Pictures]:
    for first in range(FIRST, FIRST + PEOPLE, part):
        yield [draw(who, state, SIZE) for who, state in probe.scenes(first, part)]


@dataclass(frozen=True)
class Base(World):
    """The toy model with another base. seen_by: the world whose base encodes the portrait, None = its own."""

    net: nn.Module | None = None
    seen_by: World | None = None

    @property
    def unet(self) -> nn.Module:
        return self.net

    def encode_reference(self, picture: np.ndarray) -> Reference:
        return (self.seen_by or super()).encode_reference(picture)


class Measure:
    """Measures identity and style of a generator's pictures of the test set."""

    def __init__(self, world: World, gallery: int):
        self.encoder, self.probe_network = world.autoencoder.taesd_encoder, probe.load()
        self.people = self._who(
            [draw(Identity.of(seed), State(), SIZE) for seed in range(HELD_OUT, HELD_OUT + gallery)]
        )

    def identity(self, pictures: Sequence[Pictures]) -> float:
        """Return the likeness, as `probe.likeness`, from the shapes of heads alone."""
        return probe.likeness(self._who([p for row in pictures for p in row]), self.people, len(pictures))

    @torch.no_grad()
    def style(self, pictures: Sequence[Pictures]) -> Tensor:
        """Return the means and Gram matrices of the features at FEATURES, over all pictures and positions."""
        x = torch.from_numpy(np.stack([p for row in pictures for p in row])).movedim(-1, 1).float() / 255
        seen = []
        for k, layer in enumerate(self.encoder):
            x = layer(x)
            if k in FEATURES:
                flat = x.movedim(1, -1).flatten(0, 2)
                seen += [flat.mean(0), (flat.T @ flat / len(flat)).flatten()]
        return torch.cat(seen)

    def _who(self, pictures: Pictures) -> np.ndarray:
        """Return the shapes of heads (F, 27), read from grey pictures: a style's colours have no effect."""
        grey = [np.repeat(cv2.cvtColor(p, cv2.COLOR_RGB2GRAY)[..., None], 3, 2) for p in pictures]
        return probe.read(self.probe_network, grey).who[:, SHAPES]


def over_steps(*values: float) -> Strengths:
    return Strengths(steps=Curve(values))


def without(*boundaries: str) -> Strengths:
    return Strengths(dict.fromkeys(boundaries, 0.0))


# setting of the artist -> (whether the styled MODEL encodes the portrait, options)
SETTINGS: dict[str, tuple[bool, dict]] = {
    "everything 1, plain MODEL looks": (False, {}),
    "everything 1, styled MODEL looks": (True, {}),
    **{
        f"reference_strength {strength}": (False, {"reference": strength})
        for strength in (0.75, 0.5, 0.25, 0.0)
    },
    **{f"{boundary}: 0": (False, {"strengths": without(boundary)}) for boundary in UP[1:]},
    **{
        f"only {boundary}": (False, {"strengths": without(*(s for s in UP[1:] if s != boundary))})
        for boundary in UP[2:]
    },
    "per_step 1 1 1 0": (False, {"strengths": over_steps(1.0, 1.0, 1.0, 0.0)}),
    "per_step 1 1 0 0": (False, {"strengths": over_steps(1.0, 1.0, 0.0, 0.0)}),
    "per_step 0 0 1 1": (False, {"strengths": over_steps(0.0, 0.0, 1.0, 1.0)}),
    "steps 0: 1, 100: 0": (False, {"strengths": over_steps(1.0, 0.0)}),
    "up_2: 0, styled MODEL looks": (True, {"strengths": without("up_2")}),
}
ENDS = "plain base under Apply", "styled base without HelloMeme"
# In the page's picture, after the ends.
SHOWN = (*list(SETTINGS)[:2], "reference_strength 0.5", "per_step 1 1 0 0")


def strip(name: str, pictures: Sequence[Pictures]) -> np.ndarray:
    """Return the first frame of WIDE people below a title."""
    row = np.hstack([moments[0] for moments in pictures[:WIDE]])
    bar = np.full((BAR, row.shape[1], 3), 250, np.uint8)
    cv2.putText(bar, name, (6, BAR - 7), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (40, 40, 40), 1, cv2.LINE_AA)
    return np.vstack([bar, row])


def evaluate(table: Table, found: dict[str, tuple[float, float]]) -> None:
    """Check what must hold for identity and style at each setting.

    The amounts depend on the weights, and are only listed.
    """
    whole, seen_styled = (found[f"everything 1, {who} MODEL looks"] for who in ("plain", "styled"))
    table.above("identity, everything 1", whole[0], 0.15)
    table.below("  and without the reference", found["reference_strength 0.0"][0], 0.3 * whole[0])
    table.below("under Apply most style is washed out", whole[1], 0.5)
    for name in ("reference_strength 0.5", "per_step 1 1 0 0", "everything 1, styled MODEL looks"):
        table.above(f"{name}: style", found[name][1], whole[1])
    table.say("styled MODEL looks: identity lost", f"{whole[0] - seen_styled[0]:.2f}")


def main(argv: list[str]) -> int:
    parser = bench_parser("style", __doc__)
    parser.add_argument("--people", type=int, default=8, help="who act")
    parser.add_argument("--lessons", type=int, default=LESSONS, help="steps in which the style is learned")
    parser.add_argument("--picture", type=Path, help="file for the page's picture")
    options = parser.parse_args(argv)
    world, test_scenes = World(), scenes(options.people, MOMENTS)
    net = learn(World(world.folder).unet, world, options.lessons)
    look = {False: Base(net=net, seen_by=world), True: Base(net=net)}

    def act(world: World, **changes) -> list[Pictures]:
        generator = sampling(world)
        return [generator(scene, scene.asked, replace(USUAL, **changes)) for scene in test_scenes]

    measure = Measure(world, GALLERY)
    far, near = act(world), act(look[True], reference=0.0, drive=0.0)
    style_far, style_near = measure.style(far), measure.style(near)
    print(f"{'':36} identity  style, {len(test_scenes)} people, {MOMENTS} moments each, {USUAL.steps} steps")
    found, made = {}, {}
    rows = dict(zip(ENDS, (far, near)))
    rows |= {"what was asked, drawn": [scene.drawn for scene in test_scenes]}
    rows |= {"the same as blue prints": [[styled(p) for p in scene.drawn] for scene in test_scenes]}
    for name in (*rows, *SETTINGS):
        made[name] = rows[name] if name in rows else act(look[SETTINGS[name][0]], **SETTINGS[name][1])
        style = 1 - ((measure.style(made[name]) - style_near).norm() / (style_far - style_near).norm()).item()
        found[name] = measure.identity(made[name]), style
        print(f"{name:36} {found[name][0]:8.2f}  {found[name][1]:5.2f}", flush=True)
    if options.picture:
        cv2.imwrite(
            str(options.picture), np.vstack([strip(name, made[name]) for name in (*ENDS, *SHOWN)])[..., ::-1]
        )
    table = Table()
    nothing = act(look[True], strengths=without(*UP), drive=0.0)
    same = all(np.array_equal(a, b) for one, two in zip(nothing, near) for a, b in zip(one, two))
    table.say(
        "every block boundary 0: the base's own pictures", "equal" if same else "not equal", "equal", same
    )
    evaluate(table, found)
    return verdict(table.judged)
