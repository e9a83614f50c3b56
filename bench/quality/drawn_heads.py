"""`python run.py bench drawn_heads`: whether the trained toy model follows its inputs, on people and motions
outside its training data.

Head pose, coefficients and identity are read from the pictures by a small network trained on drawings
(`bench probe`), whose own error is in the first row. `--short` is what the tests run; the long form writes
bench/quality/REPORT.md with its pictures.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import islice

import numpy as np

from ... import material
from ...demo.toy_model import SIZE, SamplingOptions, World
from ...drawn_heads import State
from ...face_tools import video
from ...face_tools.coefficients import ARKIT_51
from ...face_tools.comparison.curves import correlation
from ...face_tools.editing.approximate import approximate_coefficients
from ...face_tools.track import FaceTrack
from ...face_tools.trackers import mediapipe_mesh
from ...face_tools.trackers.faces import ModelFiles
from ...face_tools.trackers.tracking import track_faces
from ...host import installation
from ..options import bench_parser
from ..verdict import verdict
from . import probe, report
from .probe import HELD_OUT, NAMES
from .test_set import Act, Evaluator, Generator, Score, drawing, on_test_set, sampling, scenes

USUAL = SamplingOptions()
STRENGTHS = (0.0, 0.5, 1.0, 1.5)
GALLERY, FPS, LEVEL = 100, 15.0, 0.03


class Table:
    """Rows of what was expected and what was measured, with counts of passed and failed rows."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, str, str, bool | None]] = []

    def say(self, what: str, seen: str, expected: str = "", held: bool | None = None) -> None:
        """Add one row; `held` is None if the figure does not pass or fail."""
        self.rows.append((what, expected, seen, held))
        mark = {True: "ok    ", False: "FAILED", None: "      "}[held]
        print(f"{mark} {what:34} {seen}" + (f"   (expected: {expected})" if expected else ""), flush=True)

    def below(self, what: str, seen: float, bound: float, form: str = ".2f") -> None:
        self.say(what, format(seen, form), f"below {bound:{form}}", seen < bound)

    def above(self, what: str, seen: float, bound: float, form: str = ".2f") -> None:
        self.say(what, format(seen, form), f"above {bound:{form}}", seen > bound)

    @property
    def judged(self) -> list[bool]:
        """For each row that passes or fails, whether it passed."""
        return [held for *_, held in self.rows if held is not None]


def reenactment(table: Table, evaluator: Evaluator, act: Act, name: str, world: World) -> Score:
    """Compare the generator with copies of the portrait and of other frames, and with the limits."""
    table.say(f"{name}: probe on the truth", evaluator(evaluator.drawn).words())
    coded = [world.enlarge(world.shrink(row)) for row in evaluator.drawn]
    table.say("  the truth after the autoencoder", evaluator(coded).words())
    still = evaluator([[scene.portrait] * len(scene.states) for scene in evaluator.scenes])
    table.say("  copy the reference", still.words())
    other = evaluator([row[1:] + row[:1] for row in evaluator.drawn])
    table.say("  copy another frame", other.words())
    own = act()
    table.say("  the generator", own.words())
    table.below("  pose, APD", own.apd, min(6.0, 0.6 * min(still.apd, other.apd)))
    table.below("  expression, AED", own.aed, min(0.15, 0.8 * min(still.aed, other.aed)), ".3f")
    table.above("  picture, PSNR", own.psnr, max(still.psnr, other.psnr))
    table.above("  identity", own.found, 0.8)
    return own


def losses(table: Table, evaluator: Evaluator, act: Act) -> None:
    """Check that removing an input removes its effect, and no other."""
    own = act()
    moved = evaluator.amplitude(own)
    table.above("turns, share of the requested angle", moved, 0.6)
    table.below("drive off: turns", evaluator.amplitude(act(options=replace(USUAL, drive=0.0))), 0.2)
    nobody = act(options=replace(USUAL, reference=0.0))
    table.below("reference off: identity", nobody.found, 0.5 * own.found)
    table.above("  still turns", evaluator.amplitude(nobody), 0.6 * moved)

    turned = act(lambda track: track.rows(np.roll(np.arange(len(track)), -1)))
    per = len(evaluator.states) // len(evaluator.scenes)
    following = [
        s
        for k in range(0, len(evaluator.states), per)
        for s in evaluator.states[k + 1 : k + per] + evaluator.states[k : k + 1]
    ]
    table.below(
        "drive of another frame: APD to it", probe.error(turned.reading, following).apd, 0.5 * turned.apd
    )

    plain = act(lambda track: track.replace(coefficients=0 * track.coefficients))
    table.above("coefficients zeroed: AED", plain.aed, 1.2 * own.aed, ".3f")
    table.above("  still turns", evaluator.amplitude(plain), 0.8 * moved)
    boxed = act(lambda track: track.replace(rotation=0 * track.rotation))
    table.below("box kept still: turns", evaluator.amplitude(boxed), 0.2)
    table.below("  expression stays, AED", boxed.aed, plain.aed, ".3f")


def strengths(table: Table, evaluator: Evaluator, act: Act) -> None:
    """Check that the pose increases with the drive's strength, and likeness with the reference's.

    Above 1 only the drive's strength must have an effect: training varies it, and not the reference's.
    """
    turns = [evaluator.amplitude(act(options=replace(USUAL, drive=value))) for value in STRENGTHS]
    alike = [evaluator.likeness(act(options=replace(USUAL, reference=value))) for value in STRENGTHS]
    for what, values, highest in (
        ("drive strength: turns", turns, STRENGTHS[-1]),
        ("reference strength: likeness", alike, 1.0),
    ):
        told = ", ".join(f"{strength:g}: {value:.2f}" for strength, value in zip(STRENGTHS, values))
        checked = values[: STRENGTHS.index(highest) + 1]
        rises = bool((np.diff(checked) > -LEVEL).all()) and checked[-1] > checked[0]
        table.say(what, told, f"rises up to {highest:g}, or stays within {LEVEL}", rises)


def real_track(frames: int) -> FaceTrack:
    """Return a real talking head's track, 15 frames per second, in the middle of the toy model's picture."""
    path = material.driver()
    with mediapipe_mesh.open_source(ModelFiles()) as source:
        track = approximate_coefficients(
            track_faces(islice(video.frames(path, fps=FPS), frames), source, FPS)
        )
    return track.replace(translation=np.tile(State().translation, (len(track), 1)), size=(SIZE, SIZE))


def real_clip(
    table: Table, evaluator: Evaluator, generator: Generator, frames: int
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Drive drawn heads by the talking head: curves read from the pictures must follow the clip's track."""
    track = real_track(frames)
    acted = [probe.read(evaluator.network, generator(scene, track, USUAL)) for scene in evaluator.scenes]
    angles, values = (np.mean([getattr(r, name) for r in acted], 0) for name in ("degrees", "coefficients"))
    curves = {
        name: (np.degrees(track.rotation[:, k]), angles[:, k])
        for k, name in enumerate(("pitch", "yaw", "roll"))
    }
    for name in ("jawOpen", "eyeBlinkLeft", "eyeBlinkRight"):
        curves[name] = (track.coefficients[:, ARKIT_51.index(name)], values[:, NAMES.index(name)])
    told = {name: correlation(*pair) for name, pair in curves.items()}
    table.say("real clip, correlation", ", ".join(f"{name} {value:.2f}" for name, value in told.items()))
    table.above("  yaw follows", told["yaw"], 0.9)
    table.above("  jaw follows", told["jawOpen"], 0.7)
    return curves


def perform(generator: Generator, world: World, people: int, moments: int, first: int = HELD_OUT) -> Table:
    """Run everything except the clips for one generator."""
    table = Table()
    for own, name in ((True, "self"), (False, "cross")):
        evaluator = Evaluator(scenes(people, moments, own, first), GALLERY, first)
        act = on_test_set(generator, evaluator, USUAL)
        reenactment(table, evaluator, act, name, world)
    evaluator = Evaluator(evaluator.scenes[: max(8, people // 4)], GALLERY, first)
    act = on_test_set(generator, evaluator, USUAL)
    losses(table, evaluator, act)
    strengths(table, evaluator, act)
    return table


def main(argv: list[str]) -> int:
    parser = bench_parser("drawn_heads", __doc__)
    parser.add_argument("--short", action="store_true", help="12 people, no clips, no page")
    parser.add_argument(
        "--drawn", action="store_true", help="let the drawing program act: a perfect generator"
    )
    parser.add_argument("--people", type=int, default=100, help="people in the test set")
    parser.add_argument("--moments", type=int, default=2, help="moments of each one's motion")
    parser.add_argument("--frames", type=int, default=120, help="frames of the real clip, 15 per second")
    parser.add_argument(
        "--first",
        type=int,
        default=HELD_OUT,
        help="seed of the first person; another one than %(default)s: no clips, no page",
    )
    options = parser.parse_args(argv)
    world = World()
    generator = drawing if options.drawn else sampling(world)
    people = 12 if options.short else options.people
    table = perform(generator, world, people, options.moments, options.first)
    if not options.short and options.first == HELD_OUT:
        curves = real_clip(table, Evaluator(scenes(3, 2), 3), generator, options.frames)
        if not options.drawn:
            from . import clips
            from .costs import measured

            costs = measured(table, Evaluator(scenes(24, 2), GALLERY), generator)
            if installation.find() is None:
                table.say("two stages", "skipped: there is no ComfyUI here")
            else:
                clips.evaluated(table, world)
            report.write(table, world, curves, costs, " ".join(["drawn_heads", *argv]), GALLERY)
    return verdict(table.judged)
