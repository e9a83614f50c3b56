"""The training data of the toy model: synthetic people, as files of pictures with their ground truth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ... import drawn_heads
from ...drawn_heads.attributes import attributes
from ...face_tools.atomic_write import written
from ...face_tools.opencv import cv2

SIZE, CELLS = 128, 16  # pixels of a drawing, and latent pixels of its latent
# Real heads are tilted and off-centre: drawings deviate from their motion by up to these amounts.
LEAN, OFF = np.radians([8.0, 8.0, 25.0]), np.array([0.045, 0.03, 0.2])


@dataclass(frozen=True)
class Footage:
    """Synthetic clips with ground truth.

    first: seed of the first person; frames, fps: of each clip; in_file: people per file
    neighbours: one tilt and offset per person, instead of per frame
    actor: draw this person with everybody's motion; relaxed: draw neutral faces
    """

    name: str
    first: int
    frames: int
    fps: float
    in_file: int
    neighbours: bool
    actor: drawn_heads.Identity | None = None
    relaxed: bool = False

    def drawn(self, folder: Path, people: int, tell: Callable[[str], None]) -> list[Path]:
        """Draw the files of `people` people in `folder` and return them; existing files are kept."""
        folder.mkdir(parents=True, exist_ok=True)
        paths = [folder / f"{self.name}-{k:04d}.npz" for k in range(-(-people // self.in_file))]
        for k, path in enumerate(paths):
            if path.exists():
                continue
            first = self.first + k * self.in_file
            rows = [self._person(seed) for seed in range(first, first + self.in_file)]
            with written(path) as file:
                np.savez(file, **{name: np.concatenate([row[name] for row in rows]) for name in rows[0]})
            tell(f"{self.name}  {(k + 1) * self.in_file} people")
        return paths

    def _person(self, seed: int) -> dict[str, np.ndarray]:
        draw = np.random.Generator(np.random.PCG64([seed, 0x1EA2]))
        shifts = draw.uniform(-1, 1, (1 if self.neighbours else self.frames, 2, 3)).repeat(
            self.frames if self.neighbours else 1, 0
        )
        motion = drawn_heads.clip(seed, self.frames, self.fps)
        who, states = (
            self.actor or drawn_heads.Identity.of(seed),
            [self._held(state, *shift) for state, shift in zip(motion, shifts)],
        )
        marked = [
            cv2.resize(drawn_heads.masks(who, s, SIZE), (CELLS, CELLS), interpolation=cv2.INTER_AREA)
            for s in states
        ]
        return {
            "pictures": np.stack([drawn_heads.draw(who, s, SIZE) for s in states]),
            "rotation": np.stack([s.rotation for s in states]),
            "translation": np.stack([s.translation for s in states]),
            "coefficients": np.stack([s.coefficients for s in states]),
            "mask": np.round(np.stack(marked) * 255).astype(np.uint8),
        }

    def _held(self, state: drawn_heads.State, turn: np.ndarray, shift: np.ndarray) -> drawn_heads.State:
        """Return the state with tilt and offset changed, by fractions of LEAN and OFF."""
        coefficients = 0 * state.coefficients if self.relaxed else state.coefficients
        return drawn_heads.State(
            np.float32(state.rotation + LEAN * turn),
            np.float32(state.translation + OFF * shift),
            coefficients,
        )


# Seeds of the training data; the benches use seeds from 900,000 on.
PAIRS = Footage("drawings", 100_000, 4, 0.41, 125, neighbours=False)
CLIPS = Footage("clips", 500_000, 24, 15.0, 25, neighbours=True)
# Natural motion contains no neutral faces, from which the head pose must be recognised as well.
RELAXED = replace(PAIRS, name="relaxed", first=700_000, relaxed=True)
# One person with a fully visible face, in every state of PAIRS.
PLAIN = drawn_heads.Identity(
    skin=(244, 214, 190), hair=(30, 24, 22), eye=(40, 60, 90), lips=(160, 40, 50), shirt=(90, 90, 90), background=(190, 190, 190),
    style="bald", beard="none", glasses="none", face_width=1, face_height=1, eye_size=1.1, eye_spacing=1, brow_thickness=1.3, brow_tilt=0,
    nose_size=1, mouth_width=1, lip_fullness=1.1, ear_size=1, neck_width=1, age=0, freckles=0,
)  # fmt: skip
STAND_INS = replace(PAIRS, name="stand_ins", actor=PLAIN)


def identity_of(clip: str) -> drawn_heads.Identity:
    """Return the person of a clip of PAIRS or RELAXED, such as "drawings-0003/17"."""
    name, file, number = clip.replace("/", "-").split("-")
    footage = {footage.name: footage for footage in (PAIRS, RELAXED)}[name]
    return drawn_heads.Identity.of(footage.first + int(file) * footage.in_file + int(number))


def attributes_in(stem: str, pictures: int) -> np.ndarray:
    """Return the attributes of the people in a file of PAIRS or RELAXED, such as "drawings-0003", one row per
    picture: (pictures, 39).
    """
    people = range(pictures // PAIRS.frames)
    who = np.stack([attributes(identity_of(f"{stem}/{k}")) for k in people])
    return who.repeat(PAIRS.frames, axis=0)
