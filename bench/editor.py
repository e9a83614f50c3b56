"""How long the Expression Editor takes from a moved slider to the new preview: `python run.py bench editor [--size N]`.

What the node does at each change, in seconds of one CPU core, its input being in the host's cache: the mesh of the portrait, the moved
landmarks, the bent picture. The way to the server and back is not in it.
"""

from __future__ import annotations

import argparse
import time

import cv2

from ..face_tools.editing import poses
from ..theatre import Identity, State, draw, truth
from ..theatre.puppet import Puppet

ENOUGH, ROUNDS = 0.3, 3  # seconds that a change may take; the median of so many counts
CHANGES = (
    {"smile": 1.0}, {"jaw": 1.0}, {"blink_left": 1.0, "blink_right": 1.0}, {"yaw": 20.0, "pitch": 10.0}, {"brows": 1.0, "look_up": 1.0},
    {"pucker": 1.0, "roll": -10.0},
)  # fmt: skip


def main(argv: list[str]) -> int:
    """Prints one row a change; the last line counts. Returns 1 where one took too long."""
    parser = argparse.ArgumentParser(prog="python run.py bench editor", description=__doc__)
    parser.add_argument("--size", type=int, default=512, help="side of the portrait, pixels (default: %(default)s)")
    size = parser.parse_args(argv).size
    cv2.setNumThreads(1)
    who, rest = Identity.of(5), State()
    portrait, track = draw(who, rest, size), truth(who, [rest], size)
    failed = 0
    for pose in CHANGES:
        seconds = sorted(_change(portrait, track, pose) for _ in range(ROUNDS))[ROUNDS // 2]
        failed += seconds > ENOUGH
        words = ", ".join(f"{name} {value:g}" for name, value in pose.items())
        print(f"{'ok  ' if seconds <= ENOUGH else 'FAIL'} {words}: {seconds:.3f} s, expected at most {ENOUGH} s")
    print(f"{len(CHANGES) - failed} passed, {failed} failed")
    return int(failed > 0)


def _change(portrait, track, pose: dict[str, float]) -> float:
    start = time.process_time()
    puppet = Puppet(portrait, track)
    change, turn = poses.coefficients(pose), poses.turn(pose)
    puppet.draw(change, turn)
    puppet.moved(change, turn)
    return time.process_time() - start
