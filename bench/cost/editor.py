"""How long the Expression Editor takes from a moved slider to the new
preview: `python run.py bench editor [--size N]`.

First, the node's own work at each change, in seconds of one CPU core, with its input in ComfyUI's
cache: the mesh of the portrait, the moved landmarks, the warped picture. Then, if ComfyUI and
Chromium are installed, the whole way: a slider is dragged in the front end, and the time from
pressing Run to the new picture on the node is measured.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import cv2

from ...authoring.editor_page import EditorPage
from ...drawn_heads import Identity, State, draw, truth
from ...face_tools.editing import poses
from ...face_tools.pictures.puppet import Puppet
from ...host import browser, installation
from ...host.server import Server
from ..options import bench_parser
from ..verdict import row, verdict

ENOUGH, ROUNDS = 0.3, 3  # seconds that a change may take; number of runs, of which the median counts
# Seconds until the picture is on the node; the sliders that are dragged.
WHOLE_WAY, DRAGGED = 1.0, ("smile", "jaw", "yaw")
CHANGES = (
    {"smile": 1.0}, {"jaw": 1.0}, {"blink_left": 1.0, "blink_right": 1.0}, {"yaw": 20.0, "pitch": 10.0}, {"brows": 1.0, "look_up": 1.0},
    {"pucker": 1.0, "roll": -10.0},
)  # fmt: skip


def main(argv: list[str]) -> int:
    """Print one line per change, and at last how many passed. Returns 1 if one took too long."""
    parser = bench_parser("editor", __doc__)
    parser.add_argument("--size", type=int, default=512, help="side of the portrait, pixels")
    size = parser.parse_args(argv).size
    cv2.setNumThreads(1)
    who, rest = Identity.of(5), State()
    portrait, track = draw(who, rest, size), truth(who, [rest], size)
    rows = []
    for pose in CHANGES:
        seconds = sorted(_change(portrait, track, pose) for _ in range(ROUNDS))[ROUNDS // 2]
        words = ", ".join(f"{name} {value:g}" for name, value in pose.items())
        rows.append(row(seconds <= ENOUGH, f"{words}: {seconds:.3f} s, expected at most {ENOUGH} s"))
    driven = in_the_front_end() if installation.find() and browser.find() else []
    for name, before, after, changed, seconds in driven:
        said = f"{'another' if changed else 'the SAME'} picture after {seconds:.3f} s, expected at most {WHOLE_WAY} s"
        said = f"in Chromium, {name} dragged from {before:g} to {after:g}: {said}"
        rows.append(row(changed and seconds <= WHOLE_WAY, said))
    if not driven:
        print("The front end was left out: there is no ComfyUI, or no Chromium.")
    return verdict(rows)


def in_the_front_end() -> list[tuple[str, float, float, bool, float]]:
    """Return per slider: name, value before and after, whether the picture changed, seconds."""
    comfy = installation.find()
    with (
        tempfile.TemporaryDirectory() as folder,
        Server(comfy, Path(folder)) as server,
        browser.FrontEnd(server.url) as front,
    ):
        page, rows = EditorPage(front, server.object_info()), []
        for name in DRAGGED:
            before = page.picture()
            values = page.drag(name)
            seconds = page.run()
            rows.append((name, *values, page.picture() != before, seconds))
    return rows


def _change(portrait, track, pose: dict[str, float]) -> float:
    start = time.process_time()
    puppet = Puppet(portrait, track)
    change, turn = poses.coefficients(pose), poses.turn(pose)
    puppet.draw(change, turn)
    puppet.moved(change, turn)
    return time.process_time() - start
